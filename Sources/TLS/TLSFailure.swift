/// Why a TLS connection failed: a kind to count and decide by, and a sentence for the log.
public struct TLSFailure: Error, Equatable, Sendable, CustomStringConvertible {
  package enum Kind: UInt8, CaseIterable, Sendable {
    /// The peer's chain does not end at a certificate of the configured CA file.
    case certificateUnknownAuthority
    /// A certificate of the peer's chain is not valid yet, or no longer.
    case certificateExpired
    /// The peer was asked for a certificate and sent none.
    case certificateMissing
    /// The peer's chain is wrong in another way: purpose, signature, constraint, key too small.
    case certificateInvalid
    /// The chain is good, the name in it is not one of those configured.
    case identity
    /// The peer ended the connection with a fatal alert: it refused us.
    case refusedByPeer
    /// What the peer sent is not TLS, or not a TLS both sides accept: version, ciphers, ALPN, a broken record.
    case protocolViolation
    /// The peer closed before the handshake was done.
    case closed
    /// The socket failed (reset, timed out, unreachable).
    case io
    /// Our own side: out of memory or of random numbers.
    case internalError

    /// The word for metrics and logs.
    package var label: StaticString {
      switch self {
      case .certificateUnknownAuthority: return "certificate_unknown_authority"
      case .certificateExpired: return "certificate_expired"
      case .certificateMissing: return "certificate_missing"
      case .certificateInvalid: return "certificate_invalid"
      case .identity: return "identity"
      case .refusedByPeer: return "refused_by_peer"
      case .protocolViolation: return "protocol"
      case .closed: return "closed"
      case .io: return "io"
      case .internalError: return "internal"
      }
    }
  }

  package let kind: Kind
  /// For the log. May hold text that the peer chose (a name of its certificate): escape it.
  package let detail: String

  package init(_ kind: Kind, _ detail: String) {
    self.kind = kind
    self.detail = detail
  }

  public var description: String { "\(kind.label): \(detail)" }
}
