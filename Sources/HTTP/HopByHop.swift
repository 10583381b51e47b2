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
}
