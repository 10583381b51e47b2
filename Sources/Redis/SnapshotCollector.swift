import CLinux

/// Takes the members and scores of `ZRANGEBYSCORE … WITHSCORES` as they are parsed, so that a large set is never held as
/// reply objects of the library, which take three times the memory.
struct SnapshotCollector {
  private let limits: RedisLimits
  private(set) var entries: [RedisEntry] = []
  private var bytes = 0
  private var member: String?
  /// Members that were left out: too long, or not UTF-8.
  private(set) var skipped = 0
  /// Why the whole is ignored. What else comes is let pass unkept.
  private(set) var refusal: String?
  /// The reply is not one of the command that was sent.
  private(set) var isMalformed = false

  /// `elements` is what the reply's head announces: two for an entry.
  init(elements: Int, limits: RedisLimits) {
    self.limits = limits
    if elements < 0 || elements % 2 != 0 { isMalformed = true }
    if elements / 2 > limits.snapshotEntries {
      refusal = "a snapshot of \(elements / 2) entries, more than \(limits.snapshotEntries)"
    } else {
      // Not all that is announced: that costs the other side nothing.
      entries.reserveCapacity(max(0, min(elements / 2, 4_096)))
    }
  }

  mutating func add(index: Int, _ text: UnsafeBufferPointer<UInt8>) {
    guard refusal == nil, !isMalformed else { return }
    if index % 2 == 0 { return take(member: text) }
    guard let endsAt = Self.seconds(text) else {
      isMalformed = true
      return
    }
    if let member { entries.append(RedisEntry(text: member, endsAt: endsAt)) }
    member = nil
  }

  private mutating func take(member text: UnsafeBufferPointer<UInt8>) {
    bytes += text.count
    if bytes > limits.snapshotBytes {
      refusal = "a snapshot of more than \(limits.snapshotBytes) bytes"
      entries = []
      return
    }
    member = text.count <= limits.textBytes ? String(validating: text, as: UTF8.self) : nil
    if member == nil { skipped += 1 }
  }

  /// A score as Redis prints it: an integer, a decimal fraction, an exponent or `inf`.
  static func seconds(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
    guard text.count <= 64, let value = Double(String(decoding: text, as: UTF8.self)), !value.isNaN else { return nil }
    if value >= 0x1p63 { return .max }
    return value <= -0x1p63 ? .min : Int64(value.rounded(.up))
  }
}
