import CLinux
import Reactor

extension RevocationImage {
  /// What changes whenever the file does, or another takes its place.
  struct Signature: Equatable, Sendable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    /// Nanoseconds since 1970.
    var modified: Int64
    var changed: Int64

    /// - Throws: why there is no such file, in words for people.
    static func look(_ path: String) throws(RevocationImage.Failure) -> Signature {
      var status = stat()
      guard stat(path, &status) == 0 else { throw Failure("cannot be read: \(Errno(gh_errno()))") }
      guard status.st_mode & mode_t(S_IFMT) == mode_t(S_IFREG) else { throw Failure("is no regular file") }
      return Signature(
        device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
        modified: nanoseconds(status.st_mtim), changed: nanoseconds(status.st_ctim))
    }

    /// Whether it was written to within `step` nanoseconds before `now`, in nanoseconds since 1970. A clock that was wrong, or a file
    /// system, may say any time.
    func isFresh(_ step: Int64, before now: Int64) -> Bool { max(changed, modified) > now - step }

    private static func nanoseconds(_ time: timespec) -> Int64 { Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec) }
  }
}
