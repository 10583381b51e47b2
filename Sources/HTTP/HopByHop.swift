import Bytes

/// Fields that are meant for one connection and end at the gateway (RFC 9110 section 7.6.1).
package enum HopByHop {
  /// Whether the gateway removes `name` whether or not `Connection` nominates it.
  ///
  /// `Proxy-Authorization` and `Proxy-Authenticate` are here because the gateway is the proxy they would be meant for,
  /// and it uses neither (RFC 9110 section 11.7).
  package static func contains(_ name: FieldName) -> Bool {
    switch name {
    case .connection, .keepAlive, .proxyConnection, .te, .trailer, .transferEncoding, .upgrade, .http2Settings,
      .proxyAuthorization, .proxyAuthenticate:
      return true
    default:
      return false
    }
  }

  /// Whether a `Connection` field of `head` nominates `name`. Case does not matter, and what is no letter or digit is `-`, on both sides.
  ///
  /// Worth asking only when the head's `hasConnectionOptions` is set: other heads nominate nothing. A malformed
  /// list nominates what stands before its fault; the parsers refuse such heads.
  package static func isNominated(name: Span<UInt8>, by head: borrowing HeaderBlock, in bytes: Span<UInt8>) -> Bool {
    var index = head.first(.connection)
    while let current = index {
      var list = TokenList(head[current].value)
      while case .token(let token) = list.next(in: bytes) {
        if FieldName.isSame(bytes.extracting(token.bounds), name) { return true }
      }
      index = head.first(.connection, from: current &+ 1)
    }
    return false
  }
}
