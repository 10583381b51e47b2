import Bytes
import HTTP
import Limits

/// Whoever sends a request to a backend: it is told here what becomes of it.
///
/// A base class for the reason `Channel` is one. All calls come on the worker's thread, never after `upstreamEnded`,
/// `upstreamFailed` or `upstreamWithdrawn`, which are the last for a connection; pointers are valid during the call.
open class UpstreamClient {
  public init() {}

  /// Whose share of the backend a request counts in.
  package final var origin = ClientOrigin.unknown
  /// Where it stands in line for a connection, while it does.
  final var waiting: Waiting?

  enum Waiting {
    case pending(ClientLine<BackendPool.Waiter>.Place)
    /// A connection is being made for it.
    case started(ClientLine<BackendPool.Waiter>.Place)
  }

  /// The request opens a WebSocket: it goes over an HTTP/1.1 connection, or over an HTTP/2 one that takes extended CONNECT.
  open var opensTunnel: Bool { false }

  /// A place on a shared connection waits for the backend's word; `upstreamReady` or `upstreamFailed` follows.
  open func upstreamOpening(_ leg: UpstreamLeg) {}
  /// A connection is there, its peer's identity checked. `reused`: it has carried a request before, so the backend may
  /// have closed it a moment ago.
  open func upstreamReady(_ leg: UpstreamLeg, reused: Bool) {}
  /// No connection, or it broke. It is not this client's any more.
  open func upstreamFailed(_ failure: UpstreamFailure) {}
  /// The pool makes no more connections: a reload has withdrawn what they were made by. Another pool may be asked.
  open func upstreamWithdrawn() { upstreamFailed(UpstreamFailure(.connect, requestUnsent: true)) }
  /// The head of a final or interim response, its bytes in `bytes`.
  open func upstreamHead(_ leg: UpstreamLeg, _ head: borrowing ResponseHead, bytes: UnsafeBufferPointer<UInt8>) {}
  /// A run of the response's content.
  open func upstreamBody(_ bytes: UnsafeBufferPointer<UInt8>) {}
  /// A trailer field (RFC 9110 section 6.5).
  open func upstreamTrailer(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {}
  /// The response is complete; the connection went back to its pool or was closed.
  open func upstreamEnded() {}
  /// What has come in so far has been handed over: a good moment to write.
  open func upstreamPaused() {}
  /// What was waiting to be sent to the backend has gone down to the low-water mark.
  open func upstreamDrained() {}
}
