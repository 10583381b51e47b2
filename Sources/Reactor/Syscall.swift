import CLinux

/// What a system call came to. `EINTR` never reaches a caller; `EAGAIN` is a value, not an error.
package enum SyscallResult {
  case done(Int)
  case wouldBlock
  case failed(Errno)
}

/// An `errno` value, with its text for people.
public struct Errno: Error, Equatable, Sendable, CustomStringConvertible {
  package let code: Int32

  package init(_ code: Int32) { self.code = code }

  package static let interrupted = Errno(EINTR)
  package static let inProgress = Errno(EINPROGRESS)

  /// The process or the system has no descriptor, or no memory for one, left.
  package var isExhaustion: Bool { code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM }

  public var description: String {
    guard let text = strerror(code) else { return "error \(code)" }
    return String(cString: text)
  }
}

/// The one funnel for system calls: every call of the event loop passes here, so that interruption, would-block and
/// failure are told apart in one place.
package enum Syscall {
  @inline(__always) package static func run(_ body: () -> Int) -> SyscallResult {
    while true {
      let result = body()
      if result >= 0 { return .done(result) }
      let code = gh_errno()
      if code == EINTR { continue }
      if code == EAGAIN || code == EWOULDBLOCK { return .wouldBlock }
      return .failed(Errno(code))
    }
  }

  /// For calls that have no would-block of their own: the value, or the error thrown.
  package static func require(_ body: () -> Int) throws(Errno) -> Int {
    switch run(body) {
    case .done(let value): return value
    case .wouldBlock: throw Errno(EAGAIN)
    case .failed(let error): throw error
    }
  }

  /// Whether a read of the socket would come to something: bytes, the end, or a failure. Takes nothing.
  package static func hasInput(_ descriptor: Int32) -> Bool {
    var byte: UInt8 = 0
    if case .wouldBlock = run({ recv(descriptor, &byte, 1, Int32(MSG_PEEK)) }) { return false }
    return true
  }

  /// The byte that a read of the socket would bring first, if there is one. Takes nothing.
  package static func firstByte(_ descriptor: Int32) -> UInt8? {
    var byte: UInt8 = 0
    if case .done(1) = run({ recv(descriptor, &byte, 1, Int32(MSG_PEEK)) }) { return byte }
    return nil
  }

  /// Bytes that the socket has taken and its peer has not, as far as the kernel knows.
  package static func unacknowledged(_ descriptor: Int32) -> Int { Int(gh_unacknowledged(descriptor)) }

  /// Closing the socket resets the connection, and forgets what its peer has not taken.
  package static func resetOnClose(_ descriptor: Int32) { gh_reset_on_close(descriptor) }

  /// Takes up to `count` bytes off the socket without looking at them.
  package static func discard(_ descriptor: Int32, _ count: Int) -> SyscallResult {
    run { recv(descriptor, nil, count, Int32(MSG_TRUNC)) }
  }

  package static func read(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> SyscallResult {
    run { CLinux.read(descriptor, buffer, count) }
  }

  package static func write(_ descriptor: Int32, _ buffer: UnsafeRawPointer, _ count: Int) -> SyscallResult {
    run { send(descriptor, buffer, count, Int32(MSG_NOSIGNAL)) }
  }

  /// The same for a socket that is not in non-blocking mode.
  package static func sendNow(_ descriptor: Int32, _ buffer: UnsafeRawPointer, _ count: Int) -> SyscallResult {
    run { send(descriptor, buffer, count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) }
  }

  package static func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) throws(Errno) {
    var value = value
    _ = try require { Int(setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))) }
  }

  /// `SO_ERROR`: how a non-blocking `connect` ended. 0 is success.
  package static func pendingError(_ descriptor: Int32) -> Errno {
    var value: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &size) == 0 else { return Errno(gh_errno()) }
    return Errno(value)
  }
}
