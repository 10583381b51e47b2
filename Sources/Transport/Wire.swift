import CLinux
import Reactor
import TLS

/// What a channel's bytes travel over: TLS, or the bare socket of a listener that was explicitly configured so.
///
/// Speaks as `TLSConnection` does. A bare socket has no handshake, no identity and no ALPN, and its end is always a clean one:
/// there is nobody who could vouch for it.
package struct Wire: ~Copyable {
  private var tls: TLSConnection?
  private let descriptor: Int32

  /// - Parameter descriptor: the socket under `tls`; stays the channel's.
  package init(_ tls: consuming TLSConnection, descriptor: Int32) {
    self.tls = consume tls
    self.descriptor = descriptor
  }

  package init(plain descriptor: Int32) {
    tls = nil
    self.descriptor = descriptor
  }

  package var isEncrypted: Bool { tls != nil }

  // MARK: Moving bytes

  package mutating func handshake() -> TLSHandshakeStep { tls?.handshake() ?? .done }

  @inline(__always)
  package mutating func read(into buffer: UnsafeMutableRawPointer, count: Int) -> TLSResult {
    tls?.read(into: buffer, count: count) ?? plainRead(buffer, count)
  }

  @inline(__always)
  package mutating func write(from buffer: UnsafeRawPointer, count: Int) -> TLSResult {
    tls?.write(from: buffer, count: count) ?? plainWrite(buffer, count)
  }

  /// Whether bytes from the socket wait in memory, which epoll knows nothing of.
  @inline(__always)
  package var hasPending: Bool {
    switch tls {
    case .some(let tls): tls.hasPending
    case .none: false
    }
  }

  private func plainRead(_ buffer: UnsafeMutableRawPointer, _ count: Int) -> TLSResult {
    switch Syscall.run({ recv(descriptor, buffer, count, 0) }) {
    case .done(0): .closed(clean: true)
    case .done(let count): .bytes(count)
    case .wouldBlock: .wantsRead
    case .failed: .failed
    }
  }

  private func plainWrite(_ buffer: UnsafeRawPointer, _ count: Int) -> TLSResult {
    switch Syscall.run({ send(descriptor, buffer, count, Int32(MSG_NOSIGNAL)) }) {
    case .done(let count): .bytes(count)
    case .wouldBlock: .wantsWrite
    case .failed: .failed
    }
  }

  /// Says goodbye: close_notify, or FIN.
  package mutating func shutdown() {
    if tls != nil { tls?.shutdown() } else { _ = CLinux.shutdown(descriptor, Int32(SHUT_WR)) }
  }

  /// For a connection that goes idle: gives buffers back until the next read or write.
  package mutating func releaseBuffers() { tls?.releaseBuffers() }

  // MARK: What is known of it

  package var failure: TLSFailure? {
    switch tls {
    case .some(let tls): tls.failure
    case .none: nil
    }
  }
  package var peerIdentity: PeerIdentity? {
    switch tls {
    case .some(let tls): tls.peerIdentity
    case .none: nil
    }
  }
  package var negotiatedProtocol: ApplicationProtocol {
    switch tls {
    case .some(let tls): tls.negotiatedProtocol
    case .none: .none
    }
  }
  package var isTLS13: Bool {
    switch tls {
    case .some(let tls): tls.isTLS13
    case .none: false
    }
  }
  /// Empty without TLS.
  package var version: StaticString {
    switch tls {
    case .some(let tls): tls.version
    case .none: ""
    }
  }
  package var isResumed: Bool {
    switch tls {
    case .some(let tls): tls.isResumed
    case .none: false
    }
  }
}
