import Testing

@testable import Redis

struct SnapshotCollectorTests {
  private func collect(_ words: [String], _ limits: RedisLimits = RedisLimits()) -> SnapshotCollector {
    var collector = SnapshotCollector(elements: words.count, limits: limits)
    for (index, word) in words.enumerated() {
      Array(word.utf8).withUnsafeBufferPointer { collector.add(index: index, $0) }
    }
    return collector
  }

  @Test(arguments: [
    ("1700000000", 1_700_000_000), ("1.7e+09", 1_700_000_000), ("1.25", 2), ("-3", -3), ("inf", Int64.max), ("-inf", .min),
  ])
  func `A score is a second`(text: String, seconds: Int64) {
    #expect(collect(["a", text]).entries == [RedisEntry(text: "a", endsAt: seconds)])
  }

  @Test(arguments: ["", "x", "nan", "12 ", String(repeating: "1", count: 65)])
  func `What is no number is no score`(text: String) {
    #expect(collect(["a", text]).isMalformed)
  }

  @Test func `An odd number of elements is no list of members and scores`() {
    #expect(collect(["a", "1", "b"]).isMalformed)
  }

  @Test func `A member that is too long is left out, the others stay`() {
    let collector = collect(["a", "1", String(repeating: "b", count: 4_097), "2", String(repeating: "c", count: 4_096), "3"])
    #expect(collector.entries.map(\.endsAt) == [1, 3])
    #expect(collector.skipped == 1)
    #expect(collector.refusal == nil)
  }

  @Test func `Too many entries or bytes are refused and not kept`() {
    var limits = RedisLimits()
    limits.snapshotEntries = 2
    limits.snapshotBytes = 10
    #expect(collect(["a", "1", "b", "2"], limits).refusal == nil)
    let many = collect(["a", "1", "b", "2", "c", "3"], limits)
    #expect(many.refusal == "a snapshot of 3 entries, more than 2")
    #expect(many.entries.isEmpty)
    let large = collect(["aaaaaa", "1", "bbbbbb", "2"], limits)
    #expect(large.refusal == "a snapshot of more than 10 bytes")
    #expect(large.entries.isEmpty)
  }
}
