import Limits
import Tokens

/// One worker's logouts that are on their way: to all workers, and to where they are kept.
package final class LogoutDesk {
  private struct Waiter {
    let exchange: Exchange
    let issuer: [UInt8]
  }

  /// Tells the control thread what is denied; `settled` answers with the same number.
  package var post: (UInt64, [Revocation]) -> Void = { _, _ in }
  private var waiting: [UInt64: Waiter] = [:]
  private var issuers = FairPlaces<[UInt8]>(single: maximum)
  private var last: UInt64 = 0
  /// Of one provider, where no other's wait; of all together two and a half times as many. More are turned away: whoever calls will call
  /// again.
  private static let maximum = 1024
  /// Milliseconds.
  static let patience: UInt64 = 5_000

  /// The number under which `exchange` is settled; nil when there are too many.
  func begin(_ exchange: Exchange, _ entries: [Revocation]) -> UInt64? {
    let issuer = entries.first?.issuer ?? []
    guard issuers.grants(to: issuer) else { return nil }
    issuers.take(for: issuer)
    last &+= 1
    waiting[last] = Waiter(exchange: exchange, issuer: issuer)
    post(last, entries)
    return last
  }

  func forget(_ number: UInt64) { _ = take(number) }

  private func take(_ number: UInt64) -> Exchange? {
    guard let waiter = waiting.removeValue(forKey: number) else { return nil }
    issuers.give(from: waiter.issuer)
    return waiter.exchange
  }

  /// - Parameter isKept: what was denied is where it is to be kept, or nowhere is.
  package func settled(_ number: UInt64, isKept: Bool) {
    take(number)?.logoutSettled(isKept: isKept)
  }

  /// For tests.
  var everybody: [Exchange] { waiting.values.map(\.exchange) }
}
