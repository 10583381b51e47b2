/// How long a backend may keep the gateway waiting.
///
/// Time stands still while it is the gateway that does not read, since its client has not taken what is there: what a backend does not
/// say then is not its silence. When reading goes on, the whole time is given anew.
struct BackendPatience {
  /// Milliseconds that the present wait may last; 0 for no bound.
  private var wait = 0
  private(set) var isHeld = false

  /// Another wait begins.
  ///
  /// - Returns: in how many milliseconds time is up; 0 for never.
  mutating func expect(_ milliseconds: Int) -> Int {
    wait = milliseconds
    return isHeld ? 0 : wait
  }

  /// The gateway stops reading: time is never up.
  mutating func hold() { isHeld = true }

  /// The gateway reads again.
  ///
  /// - Returns: as `expect`; nil when it had not stopped.
  mutating func goOn() -> Int? {
    guard isHeld else { return nil }
    isHeld = false
    return wait
  }
}
