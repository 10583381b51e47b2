import CLinux

/// The files of the Unix sockets that this process listens on, by path, each with what tells it from another's of the same name.
///
/// A file is removed while its socket listens, and once: as long as somebody answers there, no other gateway takes the name, and the
/// kernel gives the file's number to no other file. What has the name afterwards is somebody else's.
struct SocketFiles {
  private struct Identity: Equatable {
    let device: UInt64
    let file: UInt64

    /// Nil where there is no socket.
    init?(_ path: String) {
      var status = stat()
      guard lstat(path, &status) == 0, status.st_mode & mode_t(S_IFMT) == mode_t(S_IFSOCK) else { return nil }
      device = UInt64(status.st_dev)
      file = UInt64(status.st_ino)
    }
  }

  private var identities: [String: Identity] = [:]

  /// A socket was bound to `path` a moment ago.
  mutating func bound(_ path: String) { identities[path] = Identity(path) }

  /// Nobody is to listen at these any more, but for now somebody does.
  mutating func remove(_ paths: some Sequence<String>) {
    for path in paths {
      guard let own = identities.removeValue(forKey: path), Identity(path) == own else { continue }
      _ = unlink(path)
    }
  }

  mutating func removeAll() { remove(Array(identities.keys)) }
}
