import Reactor
import TLS

/// Why a connection could not be made or went away.
public enum TransportFailure: Sendable {
  /// TCP did not connect.
  case connect(Errno)
  /// The handshake, the peer's certificate or identity, or a record was refused.
  case tls(TLSFailure)
  /// The peer closed when more was expected.
  case closed
  /// A deadline passed.
  case timeout
}

extension TransportFailure {
  /// For the log. May hold text that a peer chose.
  package var text: String {
    switch self {
    case .connect(let error): error.description
    // Its kind is the transport's word as well: it would stand there twice.
    case .tls(let failure): failure.kind == .identity ? failure.detail : failure.description
    case .closed: "the peer closed the connection"
    case .timeout: "timed out"
    }
  }
}
