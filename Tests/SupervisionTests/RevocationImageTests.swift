import Testing

@testable import Gateway

struct RevocationImageTests {
  @Test(
    arguments: [(.min, .min, false), (.max, .min, true), (100, 40, true), (50, 49, false), (51, 0, true)] as [(Int64, Int64, Bool)])
  func `A file may be of any time`(changed: Int64, modified: Int64, isFresh: Bool) {
    let signature = RevocationImage.Signature(device: 1, inode: .max, size: 0, modified: modified, changed: changed)
    #expect(signature.isFresh(50, before: 100) == isFresh)
    #expect(signature.isFresh(50, before: 2_000_000_000_000_000_000) == (changed == .max))
  }
}
