import Limits
import Tokens

/// One worker's requests that wait for a key set to be fetched anew, since their tokens name keys that it lacks.
///
/// Whoever makes up keys is not to fill memory with requests that wait, nor the room that others need: each provider has a room, and each
/// client its share of it.
package final class KeyWaiting {
  private struct Waiter {
    let exchange: Exchange
    let kid: UInt64
    let client: ClientAddress
  }

  /// Asks the control thread for a fetch; `settled`, or `refused` for this key, is called when that is over, or will not be.
  package var ask: (RemoteKeys, _ kid: UInt64) -> Void = { _, _ in }
  private var waiting: [ObjectIdentifier: [Waiter]] = [:]
  private var rooms = FairRooms<ObjectIdentifier, ClientAddress>(single: maximum)
  /// Requests of one client that wait for one provider, where no other client's do; of all together two and a half times as many. More are
  /// refused at once.
  private static let maximum = 256
  /// Milliseconds that a request waits at most.
  static let patience: UInt64 = 1_000

  /// Whether `exchange` waits now; false when it is to be refused.
  func wait(_ exchange: Exchange, for remote: RemoteKeys, kid: [UInt8], now: UInt64) -> Bool {
    let waiter = Waiter(exchange: exchange, kid: TokenHash.process.hash(kid.span), client: exchange.clientAddress)
    guard remote.mayHelp(now: now), rooms.take(in: ObjectIdentifier(remote), for: waiter.client) else { return false }
    waiting[ObjectIdentifier(remote), default: []].append(waiter)
    exchange.awaitedKeys = remote
    ask(remote, waiter.kid)
    return true
  }

  func forget(_ exchange: Exchange) {
    guard let remote = exchange.awaitedKeys else { return }
    exchange.awaitedKeys = nil
    _ = take(remote) { $0.exchange === exchange }
  }

  /// The fetch is over, or there was none: whoever waits is looked at again.
  package func settled(_ remote: RemoteKeys) { settle(remote) { _ in true } }

  /// Nothing is fetched for this key now. Whoever waits for another one waits on.
  package func refused(_ remote: RemoteKeys, kid: UInt64) { settle(remote) { $0.kid == kid } }

  private func settle(_ remote: RemoteKeys, _ isDue: (Waiter) -> Bool) {
    // One that is looked at may end another, which is not looked at then.
    for waiter in take(remote, isDue) where waiter.exchange.awaitedKeys === remote { waiter.exchange.keysSettled() }
  }

  /// Those that wait for `remote` and are due, and no longer do.
  private func take(_ remote: RemoteKeys, _ isDue: (Waiter) -> Bool) -> [Waiter] {
    let room = ObjectIdentifier(remote)
    guard var waiters = waiting.removeValue(forKey: room) else { return [] }
    let due = waiters.filter(isDue)
    waiters.removeAll(where: isDue)
    if !waiters.isEmpty { waiting[room] = waiters }
    for waiter in due { rooms.give(in: room, from: waiter.client) }
    return due
  }

  /// For tests.
  var everybody: [Exchange] { waiting.values.flatMap { $0.map(\.exchange) } }
}
