import Reactor

/// Names that are looked up again and again, each by itself: when, and what is known of them. Time is passed in, in milliseconds of a
/// monotonic clock.
///
/// A name that does not resolve keeps the addresses that it had; one that never had any is looked up more often.
package struct NameBook: Sendable {
  private struct Entry {
    var addresses: [SocketAddress] = []
    var failure: NameFailure?
    var dueAt: UInt64
    /// The lookup that is under way; 0 for none. An answer to another says nothing.
    var asked: UInt64 = 0
  }

  package enum Change: Equatable, Sendable {
    case none
    /// It resolves, to these addresses for the first time.
    case moved
    /// It no longer resolves, or not yet, for another reason than before.
    case failed(NameFailure)
  }

  /// From an answer to the next look, with and without addresses.
  package static let period: UInt64 = 30_000
  package static let retry: UInt64 = 2_000

  private var entries: [String: Entry] = [:]
  private var last: UInt64 = 0

  package init() {}

  /// These and no others from here on. What is known of those that stay stays.
  package mutating func watch(_ hosts: Set<String>, now: UInt64) {
    entries = entries.filter { hosts.contains($0.key) }
    for host in hosts where entries[host] == nil { entries[host] = Entry(dueAt: now) }
  }

  /// What was found out about a name elsewhere.
  package mutating func learn(_ host: String, _ addresses: [SocketAddress], now: UInt64) {
    guard !addresses.isEmpty, entries[host]?.addresses.isEmpty == true else { return }
    entries[host]?.addresses = addresses
    entries[host]?.dueAt = now + Self.period
  }

  package func addresses(of host: String) -> [SocketAddress] { entries[host]?.addresses ?? [] }

  /// Why the last lookup of a name brought nothing; nil when it did, or there was none yet.
  package func failure(of host: String) -> NameFailure? { entries[host]?.failure }

  /// All are looked up now: their servers have changed.
  package mutating func hurry(now: UInt64) {
    for host in entries.keys {
      entries[host]?.dueAt = now
      entries[host]?.asked = 0
    }
  }

  /// Names that are to be looked up now. `answered` follows for each, with its number.
  package mutating func due(now: UInt64) -> [(host: String, number: UInt64)] {
    var due: [(host: String, number: UInt64)] = []
    for (host, entry) in entries where entry.asked == 0 && entry.dueAt <= now {
      last &+= 1
      entries[host]?.asked = last
      due.append((host, last))
    }
    return due
  }

  package mutating func answered(_ host: String, _ number: UInt64, _ answer: NameAnswer, now: UInt64) -> Change {
    guard var entry = entries[host], entry.asked == number else { return .none }
    entry.asked = 0
    let change: Change
    switch answer {
    case .addresses(let addresses, _):
      let isSame = addresses.map(\.description) == entry.addresses.map(\.description)
      change = isSame && entry.failure == nil ? .none : .moved
      entry.addresses = addresses
      entry.failure = nil
    case .failed(let failure):
      change = entry.failure == failure ? .none : .failed(failure)
      entry.failure = failure
    }
    entry.dueAt = now + (entry.addresses.isEmpty ? Self.retry : Self.period)
    entries[host] = entry
    return change
  }

  /// When `due` has something to say next; nil for never.
  package var wakeAt: UInt64? { entries.values.lazy.filter { $0.asked == 0 }.map(\.dueAt).min() }
}
