import COpenSSL

/// One key that session tickets are sealed with: a name that a ticket carries in clear, an AES-256 key, an HMAC-SHA256 key.
final class TicketKey: @unchecked Sendable {
  static let nameCount = 16
  static let cipherKeyCount = 32
  static let macKeyCount = 32
  private static let count = nameCount + cipherKeyCount + macKeyCount

  /// Written in `init` only.
  private let bytes: UnsafeMutablePointer<UInt8>
  /// Seconds of the ring's clock.
  let created: Int64

  /// Nil when there are no random numbers to be had.
  init?(created: Int64) {
    bytes = .allocate(capacity: Self.count)
    bytes.initialize(repeating: 0, count: Self.count)
    self.created = created
    if RAND_priv_bytes(bytes, Int32(Self.count)) != 1 {
      ERR_clear_error()
      return nil
    }
  }

  deinit {
    OPENSSL_cleanse(bytes, Self.count)
    bytes.deallocate()
  }

  var name: UnsafePointer<UInt8> { UnsafePointer(bytes) }
  var cipherKey: UnsafePointer<UInt8> { UnsafePointer(bytes + Self.nameCount) }
  var macKey: UnsafeMutablePointer<UInt8> { bytes + Self.nameCount + Self.cipherKeyCount }
}
