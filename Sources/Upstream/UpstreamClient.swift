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

  /// How a client's wait in line ended.
  public enum WaitEnd: Sendable {
    /// Its turn has come: it gets a connection, or has one made.
    case served
    /// Another has taken its place in a full line.
    case displaced
    /// The pool makes no more connections.
    case withdrawn
    /// It does not want one any more.
    case left
  }

  /// The request opens a WebSocket: it goes over an HTTP/1.1 connection, or over an HTTP/2 one that takes extended CONNECT.
  open var opensTunnel: Bool { false }

  /// It stands in line: the connections allowed are busy, or its client has its share of them. `upstreamDequeued` follows.
  open func upstreamQueued() {}
  /// It stands there no more. What becomes of it is said next.
  open func upstreamDequeued(_ end: WaitEnd) {}
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
