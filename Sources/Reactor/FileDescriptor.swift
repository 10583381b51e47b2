import CLinux

/// An open file descriptor with one owner. It is closed by `close()`, on the loop that owns it; a descriptor that is
/// still open when its owner goes away is a bug, and debug builds stop there.
package struct FileDescriptor: ~Copyable {
  package private(set) var raw: Int32

  package init(owning raw: Int32) { self.raw = raw }

  package var isOpen: Bool { raw >= 0 }

  package mutating func close() {
    guard raw >= 0 else { return }
    // EINTR after close() leaves the descriptor closed on Linux: a second try could close somebody else's.
    _ = CLinux.close(raw)
    raw = -1
  }

  /// Gives the descriptor up to the caller, who closes it.
  package mutating func take() -> Int32 {
    let value = raw
    raw = -1
    return value
  }

  deinit { assert(raw < 0, "a file descriptor was dropped without close()") }
}
