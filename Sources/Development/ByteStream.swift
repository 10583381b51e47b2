import CLinux
import Glibc
import TLS

/// A connected socket that blocks, in the clear or under TLS. One thread uses it.
final class ByteStream {
  private let descriptor: Int32
  private var tls: TLSConnection?
  /// The certificate that the client showed; nil in the clear.
  let peer: PeerIdentity?

  /// Takes `descriptor`, and closes it with the stream. With `context` the TLS handshake is done here.
  ///
  /// Nil when the handshake fails; the descriptor is closed then as well.
  init?(descriptor: Int32, context: ServerTLSContext?) {
    self.descriptor = descriptor
    guard let context else {
      peer = nil
      return
    }
    var connection = TLSConnection(accepting: context, fd: descriptor)
    // On a socket that blocks, "wants" means that the receive timeout has passed.
    guard connection.handshake() == .done else {
      peer = nil
      return nil
    }
    peer = connection.peerIdentity
    tls = consume connection
  }

  deinit {
    tls?.shutdown()
    tls = nil
    close(descriptor)
  }

  /// Reads what is there, at least one byte; 0 when the peer ended the stream, fell silent for too long, or the stream broke.
  func read(into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
    guard let start = buffer.baseAddress else { return 0 }
    if let result = tls?.read(into: start, count: buffer.count) {
      guard case .bytes(let count) = result else { return 0 }
      return count
    }
    while true {
      let count = recv(descriptor, start, buffer.count, 0)
      if count < 0, errno == EINTR { continue }
      return max(0, count)
    }
  }

  /// Writes all of `bytes`; false when the peer is gone.
  func write(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { bytes in
      var sent = 0
      while sent < bytes.count {
        let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
        guard let start = rest.baseAddress else { return true }
        if let result = tls?.write(from: start, count: rest.count) {
          guard case .bytes(let count) = result else { return false }
          sent += count
          continue
        }
        let count = send(descriptor, start, rest.count, Int32(MSG_NOSIGNAL))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return false }
        sent += count
      }
      return true
    }
  }
}
