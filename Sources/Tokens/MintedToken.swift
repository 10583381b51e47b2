/// An internal token, ready to be copied into a request.
package final class MintedToken: Sendable {
  /// The header field's value: a compact JWS.
  package let bytes: [UInt8]
  /// Seconds since 1970.
  package let expiresAt: Int64
  /// Until this second it may be used for further requests: a quarter of its life is then left for the backend.
  package let reuseUntil: Int64

  package init(bytes: [UInt8], issuedAt: Int64, expiresAt: Int64) {
    self.bytes = bytes
    self.expiresAt = expiresAt
    reuseUntil = expiresAt - max(1, (expiresAt - issuedAt) / 4)
  }

  var footprint: Int { Footprint.malloc(16 + 3 * 8) + Footprint.of(bytes) }
}
