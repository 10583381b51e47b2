/// The name of one request, eight bytes. Its content and its answer's consist of nothing else, so that each byte says whose it is.
struct Mark: Hashable, CustomStringConvertible {
  static let count = 8
  let text: [UInt8]

  init(_ number: Int) {
    var digits = [UInt8](String(number).utf8)
    digits.insert(contentsOf: repeatElement(0x30, count: max(0, 7 - digits.count)), at: 0)
    text = [UInt8(ascii: "m")] + digits.suffix(7)
  }

  /// The name in `text`, when it is one.
  init?(_ text: some Collection<UInt8>) {
    guard text.count == Self.count, text.first == UInt8(ascii: "m") else { return nil }
    self.text = Array(text)
  }

  private init(exactly text: [UInt8]) { self.text = text }
  /// What a backend says unasked.
  static let unasked = Mark(exactly: Array("unasked!".utf8))

  var description: String { String(decoding: text, as: UTF8.self) }

  /// Content from `position` on.
  func content(_ count: Int, at position: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var index = position % Self.count
    for _ in 0..<count {
      bytes.append(text[index])
      index = index + 1 == Self.count ? 0 : index + 1
    }
    return bytes
  }

  /// Stops when `bytes` are not the content from `position` on.
  func check(_ bytes: some Collection<UInt8>, at position: inout Int, _ what: @autoclosure () -> String) {
    var index = position % Self.count
    for byte in bytes {
      if byte != text[index] {
        violation("\(what()): \(self) got \(String(decoding: bytes.prefix(64), as: UTF8.self)) at \(position)")
      }
      index = index + 1 == Self.count ? 0 : index + 1
    }
    position += bytes.count
  }
}
