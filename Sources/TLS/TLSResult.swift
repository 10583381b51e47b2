/// What a read or a write on a TLS connection came to.
package enum TLSResult: Equatable, Sendable {
  /// This many bytes of application data moved; at least 1.
  case bytes(Int)
  /// Nothing moved: call again when the socket is readable.
  case wantsRead
  /// Nothing moved: call again when the socket is writable. A write must then offer the same bytes again, at any address,
  /// and at least as many of them.
  case wantsWrite
  /// The peer sends no more. `clean` says that it told us so (close_notify, RFC 8446 section 6.1); otherwise the
  /// connection just ended, and content that lasts until the close has to count as cut short.
  case closed(clean: Bool)
  /// The socket takes nothing any more, and never will: the peer has gone. What it said before it went can still be read, and may be
  /// why it has: an alert, or an answer.
  case unwritable
  /// The connection is of no more use; `TLSConnection.failure` says why.
  case failed
}

/// Where a handshake stands after a step.
package enum TLSHandshakeStep: Equatable, Sendable {
  /// Finished, and the peer is who it has to be.
  case done
  case wantsRead
  case wantsWrite
  case failed(TLSFailure)
}

/// A protocol that ALPN can choose (RFC 7301).
package enum ApplicationProtocol: UInt8, Sendable {
  /// Nothing was negotiated: the peer offered no ALPN, which means HTTP/1.1.
  case none
  case http1_1
  case h2

  /// The identification sequence; empty for `none`.
  package var identifier: StaticString {
    switch self {
    case .none: return ""
    case .http1_1: return "http/1.1"
    case .h2: return "h2"
    }
  }

  /// `protocols` as ALPN writes them: each with its length in front.
  static func wireFormat(_ protocols: [ApplicationProtocol]) -> [UInt8] {
    var wire: [UInt8] = []
    for one in protocols where one != .none {
      let identifier = one.identifier
      wire.append(UInt8(identifier.utf8CodeUnitCount))
      wire.append(contentsOf: UnsafeBufferPointer(start: identifier.utf8Start, count: identifier.utf8CodeUnitCount))
    }
    return wire
  }
}

package enum TLSVersion: Sendable, Equatable {
  case tls12
  case tls13
}
