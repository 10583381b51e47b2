import CLinux
import COpenSSL

/// How OpenSSL reads from and writes to a connection's socket: `recv` and `send`.
///
/// In place of OpenSSL's own, which is asked about kernel TLS 24 times a request and goes through the kernel's file layer for what
/// it reads and writes. A warm request has cost up to 1,900 of 50,200 instructions less since.
enum SocketBIO {
  /// Bytes that are read for one call of OpenSSL's: a record has a quarter of it. OpenSSL goes on by itself behind whatever brings the
  /// caller nothing, a change of keys or a ticket, for as long as there is more; a peer that sends nothing else, made beforehand and
  /// without a pause, would have the thread for itself. Who sends more than this without a byte for us is cut off.
  static let most = 64 << 10
  /// The same for a handshake, which has certificates of up to 100 KiB.
  static let mostOfHandshake = 1 << 20

  /// A call of OpenSSL's begins.
  static func begin(_ bio: OpaquePointer?, _ most: Int) { note(bio, descriptor(bio), left: most) }

  /// - Returns: nil when there is no memory.
  static func make(_ descriptor: Int32) -> OpaquePointer? {
    guard let method, let bio = BIO_new(method) else { return nil }
    note(bio, descriptor, left: most)
    BIO_set_init(bio, 1)
    return bio
  }

  /// Whether the peer has ended the stream, as far as it was read.
  static func hasEnded(_ bio: OpaquePointer?) -> Bool { BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 }

  /// For good: connections point to it.
  nonisolated(unsafe) private static let method: OpaquePointer? = {
    guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket") else { return nil }
    BIO_meth_set_read_ex(method, read)
    BIO_meth_set_write_ex(method, write)
    BIO_meth_set_ctrl(method, control)
    return method
  }()

  private static let retryFlags = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY

  private static func descriptor(_ bio: OpaquePointer?) -> Int32 { Int32(truncatingIfNeeded: Int(bitPattern: BIO_get_data(bio))) }

  /// The descriptor, and above it how much may still be read in this call.
  private static func note(_ bio: OpaquePointer?, _ descriptor: Int32, left: Int) {
    BIO_set_data(bio, UnsafeMutableRawPointer(bitPattern: left << 32 | Int(UInt32(bitPattern: descriptor))))
  }

  private static func left(_ bio: OpaquePointer?) -> Int { Int(bitPattern: BIO_get_data(bio)) >> 32 }

  private static let read: @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int, UnsafeMutablePointer<Int>?) -> Int32 = {
    bio, buffer, count, done in
    BIO_clear_flags(bio, retryFlags)
    // Read after failures, and 0 then means that there was no error.
    let left = left(bio)
    guard left > 0 else {
      gh_set_errno(EPROTO)
      return 0
    }
    gh_set_errno(0)
    let result = recv(descriptor(bio), buffer, count, 0)
    if result > 0 {
      note(bio, descriptor(bio), left: max(0, left &- result))
      done?.pointee = result
      return 1
    }
    if result == 0 { BIO_set_flags(bio, BIO_FLAGS_IN_EOF) } else if mayRetry { BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY) }
    return 0
  }

  private static let write: @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int, UnsafeMutablePointer<Int>?) -> Int32 = {
    bio, buffer, count, done in
    BIO_clear_flags(bio, retryFlags)
    gh_set_errno(0)
    let result = send(descriptor(bio), buffer, count, Int32(MSG_NOSIGNAL))
    if result > 0 {
      done?.pointee = result
      return 1
    }
    if mayRetry { BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY) }
    return 0
  }

  /// What `EINTR` means to OpenSSL as well: the same call again.
  private static var mayRetry: Bool {
    let error = gh_errno()
    return error == EAGAIN || error == EINTR
  }

  private static let control: @convention(c) (OpaquePointer?, Int32, Int, UnsafeMutableRawPointer?) -> Int = { _, command, _, _ in
    switch command {
    // Nothing is held here.
    case BIO_CTRL_FLUSH: 1
    // Told of the end, OpenSSL would send a fatal alert to a peer that has gone without close_notify, as most clients do. It is
    // told that nothing came, and `hasEnded` says why.
    default: 0
    }
  }
}
