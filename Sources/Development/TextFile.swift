import CLinux
import Foundation

/// Small files: read whole, and written once, never over something that is already there.
package enum TextFile {
  /// - Throws: `DevelopmentError` when it cannot be read, or holds more than 1 MiB: no key, certificate or key set does.
  package static func read(_ path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw DevelopmentError("cannot read \(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 16 << 10)
    while bytes.count <= 1 << 20 {
      let count = CLinux.read(descriptor, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw DevelopmentError("cannot read \(path): \(String(cString: strerror(errno)))") }
      if count == 0 { return bytes }
      bytes += piece[..<count]
    }
    throw DevelopmentError("\(path) is larger than 1 MiB")
  }

  /// Writes `bytes` to a new file at `path`.
  ///
  /// - Parameter mode: `0o600` for a private key, `0o644` for what anybody may read; the process's umask applies too.
  /// - Throws: `DevelopmentError` when a file of that name exists (even a broken link) or the bytes cannot be written.
  package static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws {
    let descriptor = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode)
    guard descriptor >= 0 else {
      let reason = errno
      if reason == EEXIST { throw DevelopmentError("\(path) exists and is not overwritten") }
      throw DevelopmentError("cannot write \(path): \(String(cString: strerror(reason)))")
    }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { CLinux.write(descriptor, $0.baseAddress! + written, bytes.count - written) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let reason = errno
        close(descriptor)
        unlink(path)
        throw DevelopmentError("cannot write \(path): \(String(cString: strerror(reason)))")
      }
      written += count
    }
    close(descriptor)
  }

  /// Makes `path` and the directories above it, as `mkdir -p` does.
  package static func makeDirectory(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw DevelopmentError("cannot make the directory \(path): \(error.localizedDescription)")
    }
  }
}
