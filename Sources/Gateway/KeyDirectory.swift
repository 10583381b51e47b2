import CLinux
import Foundation
import Tokens

/// A directory of signing keys and their manifest. Written by `gatehouse keys rotate` and by the gateways that share it: one at a
/// time, and so that a reader sees the old manifest or the new one.
struct KeyDirectory: Sendable {
  let path: String

  /// Tells one version of the manifest from another.
  struct Stamp: Equatable, Sendable {
    var inode: UInt64
    var seconds: Int
    var nanoseconds: Int
    var size: Int
  }

  /// Bytes that a manifest may have.
  private static let maximumBytes = 1 << 20
  private var manifestPath: String { path + "/manifest.json" }

  /// Nil while there is no manifest, or it cannot be seen.
  var stamp: Stamp? {
    var status = stat()
    guard stat(manifestPath, &status) == 0 else { return nil }
    return Stamp(
      inode: UInt64(status.st_ino), seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec, size: Int(status.st_size)
    )
  }

  /// - Throws: when there is none, or it makes no sense.
  func load() throws(KeySetError) -> (manifest: KeyManifest, stamp: Stamp) {
    guard let stamp else {
      throw KeySetError("there is no \(manifestPath): `gatehouse keys rotate` makes the first key and the manifest")
    }
    guard stamp.size <= Self.maximumBytes, let data = FileManager.default.contents(atPath: manifestPath) else {
      throw KeySetError("\(manifestPath) cannot be read")
    }
    do throws(KeySetError) {
      return (try KeyManifest([UInt8](data)), stamp)
    } catch {
      throw KeySetError("\(manifestPath): \(error.description)")
    }
  }

  func pem(_ entry: KeyManifest.Entry) throws(KeySetError) -> [UInt8] {
    let file = path + "/" + entry.file
    guard let data = FileManager.default.contents(atPath: file) else {
      let reason = FileManager.default.fileExists(atPath: file) ? "permission denied" : "no such file"
      throw KeySetError("the signing key \(file) cannot be read: \(reason)")
    }
    return [UInt8](data)
  }

  /// Changes the manifest, with no one else doing so meanwhile. Makes one when there is none.
  ///
  /// - Parameters:
  ///   - waits: for whoever is at it now; else gives up.
  ///   - change: false leaves everything as it is.
  /// - Returns: false when somebody else is at it.
  @discardableResult
  func update(waits: Bool, _ change: (inout KeyManifest) throws(KeySetError) -> Bool) throws(KeySetError) -> Bool {
    let lock = open(path + "/manifest.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard lock >= 0 else { throw failure("cannot write in \(path)") }
    defer { close(lock) }
    while flock(lock, LOCK_EX | (waits ? 0 : LOCK_NB)) != 0 {
      if errno == EWOULDBLOCK { return false }
      guard errno == EINTR else { throw failure("cannot lock \(path)/manifest.lock") }
    }
    var manifest = stamp == nil ? KeyManifest() : try load().manifest
    guard try change(&manifest) else { return true }
    let temporary = path + "/manifest.new"
    _ = unlink(temporary)
    try write(manifest.json, to: temporary, mode: 0o644)
    guard rename(temporary, manifestPath) == 0 else { throw failure("cannot replace \(manifestPath)") }
    synchronizeDirectory()
    return true
  }

  /// Makes it, for its owner alone, where it is not there yet.
  func make() throws(KeySetError) {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw KeySetError("cannot make the directory \(path)")
    }
  }

  /// A file that was not there before, on the disk when this returns.
  func write(_ bytes: [UInt8], to file: String, mode: mode_t) throws(KeySetError) {
    let descriptor = open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode)
    guard descriptor >= 0 else { throw failure("cannot write \(file)") }
    defer { close(descriptor) }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { CLinux.write(descriptor, $0.baseAddress! + written, bytes.count - written) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let error = failure("cannot write \(file)")
        unlink(file)
        throw error
      }
      written += count
    }
    guard fsync(descriptor) == 0 else { throw failure("cannot write \(file)") }
  }

  private func synchronizeDirectory() {
    let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { return }
    fsync(directory)
    close(directory)
  }

  private func failure(_ what: String) -> KeySetError { KeySetError("\(what): \(String(cString: strerror(errno)))") }
}
