import Tokens

/// One worker's logouts that are on their way: to all workers, and to where they are kept.
package final class LogoutDesk {
  /// Tells the control thread what is denied; `settled` answers with the same number.
  package var post: (UInt64, [Revocation]) -> Void = { _, _ in }
  private var waiting: [UInt64: Exchange] = [:]
  private var last: UInt64 = 0
  /// More are turned away: whoever calls will call again.
  private static let maximum = 1024
  /// Milliseconds.
  static let patience: UInt64 = 5_000

  /// The number under which `exchange` is settled; nil when there are too many.
  func begin(_ exchange: Exchange, _ entries: [Revocation]) -> UInt64? {
    guard waiting.count < Self.maximum else { return nil }
    last &+= 1
    waiting[last] = exchange
    post(last, entries)
    return last
  }

  func forget(_ number: UInt64) { waiting[number] = nil }

  /// - Parameter isKept: what was denied is where it is to be kept, or nowhere is.
  package func settled(_ number: UInt64, isKept: Bool) {
    waiting.removeValue(forKey: number)?.logoutSettled(isKept: isKept)
  }

  /// For tests.
  var everybody: [Exchange] { Array(waiting.values) }
}
