import CLinux
import Configuration
import Foundation
import Reactor

/// Where access-log lines go: one descriptor for the life of the process, behind which the file can change.
///
/// Workers write to the number and never learn of a rotation: reopening puts the new file in the old one's place.
package final class AccessLogFile: @unchecked Sendable {
  package let descriptor: Int32
  /// What is in force.
  private(set) var settings: AccessLogSettings

  package init(_ settings: AccessLogSettings) throws(Errno) {
    self.settings = settings
    descriptor = try Self.open(settings)
  }

  /// A file that is open, and takes the present one's place when all else is in force.
  struct Opened: ~Copyable {
    fileprivate let settings: AccessLogSettings
    fileprivate let descriptor: Int32

    init(_ settings: AccessLogSettings) throws(Errno) {
      self.settings = settings
      descriptor = try AccessLogFile.open(settings)
    }

    deinit { _ = close(descriptor) }
  }

  /// Opens the file again under its name (SIGUSR1), after somebody moved it away.
  package func reopen() throws(Errno) { try adopt(Opened(settings)) }

  /// Lines go to `opened` from now on.
  func adopt(_ opened: borrowing Opened) throws(Errno) {
    let next = opened.descriptor
    _ = try Syscall.require { Int(gh_duplicate_over(next, descriptor)) }
    settings = opened.settings
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

extension AccessLogSettings {
  /// Why a file cannot be opened for writing, if that can be told without making it.
  var obstacle: String? {
    guard case .file(let path) = self else { return nil }
    let files = FileManager.default
    var isDirectory: ObjCBool = false
    if files.fileExists(atPath: path, isDirectory: &isDirectory) {
      if isDirectory.boolValue { return refusal("it is a directory") }
      return files.isWritableFile(atPath: path) ? nil : refusal("permission denied")
    }
    let cut = path.lastIndex(of: "/")
    let directory = cut.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    guard files.fileExists(atPath: directory, isDirectory: &isDirectory) else {
      return refusal("there is no directory \(directory)")
    }
    if !isDirectory.boolValue { return refusal("\(directory) is no directory") }
    return files.isWritableFile(atPath: directory) ? nil : refusal("permission denied in \(directory)")
  }

  /// What is said of a file that could not be opened.
  func obstacle(_ error: Errno) -> String {
    refusal(error.code == ENXIO ? noReader : "\(error)")
  }

  /// A pipe with a name can be opened for writing when somebody reads it; a socket is never opened by its name.
  private var noReader: String {
    guard case .file(let path) = self, let kind = try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType,
      kind == .typeSocket
    else { return "it is a pipe that nobody reads; start its reader first" }
    return "it is a socket"
  }

  private func refusal(_ reason: String) -> String {
    switch self {
    case .file(let path):
      "the access log \(path) cannot be opened: \(reason). Write a file in a directory that the gateway may write to, `-` for standard "
        + "output, or `off`"
    case .standardOutput: "the access log cannot be written to standard output: \(reason). Write a file, or `off`"
    case .off: "the access log cannot be switched off: /dev/null: \(reason)"
    }
  }
}

extension GatewayConfiguration {
  /// The error that the access log cannot be opened, where its path is written.
  func accessLogDiagnostic(_ error: Errno, otherwise path: String) -> Diagnostic {
    Diagnostic(accessLogLocation ?? SourceLocation(file: path, line: 1, column: 1), accessLog.obstacle(error))
  }
}
