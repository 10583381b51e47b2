import CLinux
import Configuration
import Reactor

/// Where access-log lines go: one descriptor for the life of the process, behind which the file can change.
///
/// Workers write to the number and never learn of a rotation: reopening puts the new file in the old one's place.
package final class AccessLogFile: @unchecked Sendable {
  package let descriptor: Int32
  private var settings: AccessLogSettings

  package init(_ settings: AccessLogSettings) throws(Errno) {
    self.settings = settings
    descriptor = try Self.open(settings)
  }

  /// Opens the file again under its name (SIGUSR1), after somebody moved it away; or another one, after a reload.
  package func reopen(_ settings: AccessLogSettings? = nil) throws(Errno) {
    let next = settings ?? self.settings
    let opened = try Self.open(next)
    defer { _ = close(opened) }
    _ = try Syscall.require { Int(gh_duplicate_over(opened, descriptor)) }
    self.settings = next
  }

  private static func open(_ settings: AccessLogSettings) throws(Errno) -> Int32 {
    switch settings {
    case .off: return Int32(try Syscall.require { Int(gh_open_append("/dev/null")) })
    case .standardOutput:
      // A reader that stalls must not stop a worker.
      let own = gh_reopen_nonblocking(1)
      return own >= 0 ? own : Int32(try Syscall.require { Int(gh_duplicate(1)) })
    case .file(let path): return Int32(try Syscall.require { Int(gh_open_append(path)) })
    }
  }
}
