import Bytes
import Cryptography
import JSON

/// Entries of a deny-list, found by what they deny. Immutable, so that all threads share one.
///
/// A flat table of digests: 45 MB for a million entries, whatever their texts are. A digest is 128 bits of SHA-256 over a secret of
/// the process and the entry's name, so nobody can choose entries that collide.
package final class RevocationTable: Sendable {
  struct Key: Hashable {
    var high: UInt64
    var low: UInt64
  }

  struct Rule: Equatable {
    var issuedBefore: Int64
    var until: Int64

    /// Whether it denies all that `other` does.
    func covers(_ other: Rule) -> Bool { issuedBefore >= other.issuedBefore && until >= other.until }
  }

  struct Slot {
    var key = Key(high: 0, low: 0)
    var rule = Rule(issuedBefore: .min, until: .min)
    var isFree: Bool { rule.until == .min }
  }

  /// What there are entries of, so that only that is looked for.
  struct Scopes: OptionSet, Sendable {
    let rawValue: UInt8
    init(rawValue: UInt8) { self.rawValue = rawValue }
    init(_ kind: Revocation.Kind, hasIssuer: Bool) { rawValue = 1 << (kind.rawValue * 2 + (hasIssuer ? 1 : 0)) }
  }

  /// Entries of one feed.
  package static let maximumEntries = 1_000_000
  /// Rules for one and the same name that are kept apart; more are put together, which denies more than they ask for.
  private static let maximumRules = 4

  package static let empty = RevocationTable()

  private let slots: [Slot]
  let scopes: Scopes
  package let count: Int
  /// Seconds since 1970: when the first of the entries ends.
  package let firstEnd: Int64

  package var isEmpty: Bool { count == 0 }

  private init() {
    slots = []
    scopes = []
    count = 0
    firstEnd = .max
  }

  package convenience init(_ entries: [Revocation]) {
    var builder = Builder()
    for entry in entries { builder.add(entry) }
    self.init(builder)
  }

  package init(_ builder: Builder) {
    // A third is left free, so that what is not there is soon known not to be.
    let capacity = max(8, builder.slots.count + builder.slots.count / 2)
    var slots = [Slot](repeating: Slot(), count: capacity)
    var count = 0
    for slot in builder.slots { Self.insert(slot, &slots, &count) }
    self.slots = slots
    self.count = count
    scopes = builder.scopes
    firstEnd = builder.slots.reduce(.max) { min($0, $1.rule.until) }
  }

  /// Entries that are to become a table.
  package struct Builder: Sendable {
    fileprivate(set) var slots: [Slot] = []
    fileprivate(set) var scopes: Scopes = []

    package init() {}

    /// Entries so far, those that say the same counted each.
    package var count: Int { slots.count }

    package mutating func add(_ entry: Revocation) {
      scopes.insert(Scopes(entry.kind, hasIssuer: entry.issuer != nil))
      // The end of time is what a free slot says.
      let rule = Rule(issuedBefore: entry.issuedBefore, until: max(entry.until, .min + 1))
      slots.append(Slot(key: RevocationTable.key(entry.kind, entry.issuer, entry.value), rule: rule))
    }

    /// All of a table that has not ended.
    package mutating func add(_ table: RevocationTable, now: Int64) {
      scopes.formUnion(table.scopes)
      for slot in table.slots where !slot.isFree && slot.rule.until > now { slots.append(slot) }
    }
  }

  /// Two rules for the same thing deny what either denies.
  private static func insert(_ slot: Slot, _ slots: inout [Slot], _ count: inout Int) {
    var index = place(slot.key, slots.count)
    var same = 0
    while !slots[index].isFree {
      if slots[index].key == slot.key {
        same += 1
        if slots[index].rule.covers(slot.rule) { return }
        if slot.rule.covers(slots[index].rule) || same == maximumRules {
          let held = slots[index].rule
          slots[index].rule = Rule(
            issuedBefore: max(held.issuedBefore, slot.rule.issuedBefore), until: max(held.until, slot.rule.until))
          return
        }
      }
      index += 1
      if index == slots.count { index = 0 }
    }
    slots[index] = slot
    count += 1
  }

  private static func place(_ key: Key, _ capacity: Int) -> Int {
    Int(truncatingIfNeeded: key.high.multipliedFullWidth(by: UInt64(capacity)).high)
  }

  // MARK: Names

  /// Different in each process.
  private static let secret: [UInt8] = {
    var generator = SystemRandomNumberGenerator()
    return (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }()

  /// No issuer has a zero byte, since JSON's strings have none, so each name is written in one way.
  static func key(_ kind: Revocation.Kind, _ issuer: [UInt8]?, _ value: [UInt8]) -> Key {
    var name = secret
    name.reserveCapacity(secret.count + 3 + (issuer?.count ?? 0) + value.count)
    name.append(kind.rawValue)
    name.append(issuer == nil ? 0 : 1)
    if let issuer { name += issuer }
    name.append(0)
    name += value
    let digest = Digest.sha256(name)
    return Key(high: digest.span.word(at: 0), low: digest.span.word(at: 8))
  }

  // MARK: Looking

  /// - Parameters:
  ///   - issuedAt: the token's `iat`; one that does not say may be older than any time.
  ///   - now: seconds since 1970.
  func denies(_ key: Key, issuedAt: Int64?, now: Int64) -> Bool {
    guard !slots.isEmpty else { return false }
    var index = Self.place(key, slots.count)
    while !slots[index].isFree {
      let slot = slots[index]
      if slot.key == key, slot.rule.until > now, (issuedAt ?? .min) < slot.rule.issuedBefore { return true }
      index += 1
      if index == slots.count { index = 0 }
    }
    return false
  }
}
