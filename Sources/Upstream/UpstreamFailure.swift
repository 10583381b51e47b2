import TLS
import Transport

/// Why a request got no (whole) response from a backend: whose fault, and whether sending it again is safe.
public struct UpstreamFailure: Sendable {
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// TCP refused, unreachable or timed out; or the name did not resolve.
    case connect
    /// The handshake failed: not trusted, expired, no common protocol, our certificate refused.
    case tls
    /// The peer is trusted by the CA but is not who it should be.
    case identity
    /// The response broke HTTP's rules.
    case `protocol`
    /// The connection closed before the response was complete.
    case reset
    /// No head, or no next part of the body, in time.
    case timeout
    /// Connections and the waiting line are full.
    case overloaded
  }

  package var kind: Kind
  /// No byte of the request can have been processed: it was never written.
  package var requestUnsent: Bool
  /// The connection had carried a request before this one.
  package var connectionReused: Bool
  /// At least one byte of a response had come.
  package var responseStarted: Bool
  /// For the log, not for clients.
  package var cause: TransportFailure?
  /// For the log: what was over, if time was.
  package var timeout: BackendTimeout?
  /// The endpoint's index; -1 when none was asked, or another tells.
  package var endpoint = -1

  package init(
    _ kind: Kind, requestUnsent: Bool, connectionReused: Bool = false, responseStarted: Bool = false,
    cause: TransportFailure? = nil, timeout: BackendTimeout? = nil
  ) {
    self.kind = kind
    self.requestUnsent = requestUnsent
    self.connectionReused = connectionReused
    self.responseStarted = responseStarted
    self.cause = cause
    self.timeout = timeout
  }
}

extension UpstreamFailure.Kind {
  /// What the end of a connection is called whose handshake had succeeded.
  ///
  /// TLS 1.3 lets a backend refuse our certificate only when our side of the handshake is over, and a request may be on its way by then
  /// (RFC 8446 section 4.4.2.4). - Parameter hasAnswered: the backend has answered something on it, so it is no refusal to speak with us.
  init(of failure: TransportFailure, hasAnswered: Bool) {
    if case .tls(let cause) = failure, cause.kind == .refusedByPeer, !hasAnswered { self = .tls } else { self = .reset }
  }
}
