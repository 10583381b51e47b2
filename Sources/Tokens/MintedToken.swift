/// An internal token, ready to be copied into a request.
package final class MintedToken: Sendable {
  /// The header field's value: a compact JWS.
  package let bytes: [UInt8]
  /// Seconds since 1970.
  package let expiresAt: Int64
  /// Until this second it may be used for further requests: a quarter of its life is then left for the backend.
  package let reuseUntil: Int64
  /// Who made it: it is used again for as long as that one is the backend's minter, so that no key outlives its turn.
  let minter: InternalTokenMinter?

  package init(bytes: [UInt8], issuedAt: Int64, expiresAt: Int64, minter: InternalTokenMinter? = nil) {
    self.bytes = bytes
    self.expiresAt = expiresAt
    self.minter = minter
    reuseUntil = expiresAt - max(1, (expiresAt - issuedAt) / 4)
  }

  /// For one request only.
  package var isUnique: Bool { minter?.profile == .transaction }

  var footprint: Int { Footprint.malloc(16 + 4 * 8) + Footprint.of(bytes) }
}
