import Reactor

/// The channels that were ever open. Held by nobody here: one that has closed has to be gone when the turn is.
struct Living {
  private struct Seen {
    weak var channel: Channel?
  }

  private var seen: [ObjectIdentifier: Seen] = [:]

  mutating func note(_ channel: Channel) {
    let name = ObjectIdentifier(channel)
    if seen[name]?.channel == nil { seen[name] = Seen(channel: channel) }
  }

  /// Between two turns, when nothing is under way.
  func checkClosed() {
    for case let channel? in seen.values.map(\.channel) where !channel.isOpen {
      violation("\(type(of: channel)) has closed, and somebody still holds it")
    }
  }
}
