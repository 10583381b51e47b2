/// What is to happen, one event after the other, as text: a letter says what, digits say to whom and how, missing ones are 0. Behind a
/// capital letter everything comes to rest before the next event, behind a small one nothing moves: `q00q01q02T` are three requests
/// that the loop finds at once. From `#` to the end of the line is for people. Any other byte stands for a letter or a digit, so that
/// no mutation is lost.
struct Script {
  struct Event: Sendable {
    /// A small letter.
    var what: UInt8
    /// All is to come to rest behind it.
    var settles: Bool
    var digits: [Int] = []

    subscript(index: Int) -> Int { index < digits.count ? digits[index] : 0 }
  }

  private(set) var events: [Event] = []

  static let maximum = 200
  private static let digits = 5

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    var isComment = false
    for byte in bytes {
      switch byte {
      case 0x0a: isComment = false
      case _ where isComment, 0x20, 0x0d, 0x09: continue
      case UInt8(ascii: "#"): isComment = true
      case UInt8(ascii: "a")...UInt8(ascii: "z"): begin(byte, settles: false)
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): begin(byte | 0x20, settles: true)
      case UInt8(ascii: "0")...UInt8(ascii: "9"): add(Int(byte - 0x30))
      case 0x80...: begin(UInt8(ascii: "a") + (byte & 0x3f) % 26, settles: byte & 0x40 != 0)
      default: add(Int(byte) % 10)
      }
    }
  }

  private mutating func begin(_ what: UInt8, settles: Bool) {
    if events.count < Self.maximum { events.append(Event(what: what, settles: settles)) } else { isFull = true }
  }

  private var isFull = false

  private mutating func add(_ digit: Int) {
    guard !isFull, let last = events.indices.last, events[last].digits.count < Self.digits else { return }
    events[last].digits.append(digit)
  }
}
