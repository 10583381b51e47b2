import Tokens

/// One worker's requests that wait for a key set to be fetched anew, since their tokens name keys that it lacks.
package final class KeyWaiting {
  /// Asks the control thread for a fetch; `settled` is called when that is over, or will not be.
  package var ask: (RemoteKeys, [UInt8]) -> Void = { _, _ in }
  private var waiting: [Exchange] = []
  /// More are refused at once: whoever makes up keys is not to fill memory with requests that wait.
  private static let maximum = 256
  /// Milliseconds that a request waits at most.
  static let patience: UInt64 = 1_000

  /// Whether `exchange` waits now; false when it is to be refused.
  func wait(_ exchange: Exchange, for remote: RemoteKeys, kid: [UInt8], now: UInt64) -> Bool {
    guard waiting.count < Self.maximum, remote.mayHelp(now: now) else { return false }
    waiting.append(exchange)
    exchange.awaitedKeys = remote
    ask(remote, kid)
    return true
  }

  func forget(_ exchange: Exchange) {
    exchange.awaitedKeys = nil
    if let index = waiting.firstIndex(where: { $0 === exchange }) { waiting.remove(at: index) }
  }

  /// The fetch is over, or there was none: whoever waits is looked at again.
  package func settled(_ remote: RemoteKeys) {
    let due = waiting.filter { $0.awaitedKeys === remote }
    waiting.removeAll { $0.awaitedKeys === remote }
    for exchange in due where exchange.awaitedKeys === remote { exchange.keysSettled() }
  }

  /// For tests.
  var everybody: [Exchange] { waiting }
}
