import Bytes
import COpenSSL
import Glibc

/// The keys of session tickets (RFC 8446 section 4.6.1, RFC 5077), shared by all workers and by one snapshot after another,
/// so that a client resumes on whichever worker and after whichever reload.
///
/// A key seals tickets for one period and opens them for `kept - 1` more; then it is wiped, and with it goes the
/// possibility to read recordings of connections that were resumed without a fresh key exchange. Keys live in memory only.
package final class TicketKeyRing: Sendable {
  /// Seconds for which a key seals new tickets.
  package let period: Int64
  /// Keys held at most, the sealing one included.
  package let kept: Int
  private let clock: @Sendable () -> Int64
  /// Newest first. The lock is taken once or twice a handshake, which costs ten thousand times as much.
  private let keys: Locked<[TicketKey]>

  /// - Parameters:
  ///   - period: seconds; at least 1.
  ///   - kept: at least 2, or tickets sealed just before a rotation would be worthless.
  ///   - clock: seconds that never run back.
  package init(
    period: Int64 = 8 * 3600, kept: Int = 2, clock: @escaping @Sendable () -> Int64 = TicketKeyRing.monotonicSeconds
  ) {
    self.period = max(1, period)
    self.kept = max(2, kept)
    self.clock = clock
    keys = Locked([])
  }

  /// Seconds for which a ticket is promised to work, whenever within its key's period it was sealed.
  package var ticketLifetime: Int64 {
    let (lifetime, overflow) = period.multipliedReportingOverflow(by: Int64(kept - 1))
    // RFC 8446 section 4.6.1: seven days at most.
    return overflow ? 604_800 : min(lifetime, 604_800)
  }

  /// The key that seals now, made or rotated when it is time; nil when there are no random numbers to be had.
  func sealingKey() -> TicketKey? {
    let now = clock()
    return keys.withLock { keys in
      dropExpired(&keys, now)
      if let newest = keys.first, now - newest.created < period { return newest }
      guard let key = TicketKey(created: now) else { return nil }
      keys.insert(key, at: 0)
      if keys.count > kept { keys.removeLast(keys.count - kept) }
      return key
    }
  }

  /// The key a ticket names, and whether it still seals: a ticket under an older one is worth renewing.
  func openingKey(name: UnsafePointer<UInt8>) -> (key: TicketKey, isSealing: Bool)? {
    let now = clock()
    return keys.withLock { keys in
      dropExpired(&keys, now)
      guard let index = keys.firstIndex(where: { memcmp($0.name, name, TicketKey.nameCount) == 0 }) else { return nil }
      return (keys[index], index == 0 && now - keys[index].created < period)
    }
  }

  private func dropExpired(_ keys: inout [TicketKey], _ now: Int64) {
    while let oldest = keys.last, (now - oldest.created) / period >= Int64(kept) { keys.removeLast() }
  }

  /// CLOCK_MONOTONIC in seconds.
  package static func monotonicSeconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec)
  }

  /// Fetched once: `EVP_aes_256_cbc()` is looked up anew on every use.
  private static let cipher = Cipher()
  private final class Cipher: @unchecked Sendable {
    let pointer = EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)
  }

  /// OpenSSL's `tlsext_ticket_key_evp_cb`: prepares `cipher` and `mac` to seal (a fresh name and IV are written) or to open.
  /// Answers 1: ready; 2: ready, and the client gets a new ticket; 0: no such key, a full handshake follows; -1: error.
  func prepare(
    name: UnsafeMutablePointer<UInt8>, iv: UnsafeMutablePointer<UInt8>, cipher: OpaquePointer, mac: OpaquePointer,
    sealing: Bool, isTLS13: Bool
  ) -> Int32 {
    if sealing {
      guard let key = sealingKey(), RAND_bytes(iv, 16) == 1 else { return -1 }
      memcpy(name, key.name, TicketKey.nameCount)
      guard setMAC(mac, key), EVP_EncryptInit_ex(cipher, Self.cipher.pointer, nil, key.cipherKey, iv) == 1 else { return -1 }
      return 1
    }
    guard let (key, isSealing) = openingKey(name: name) else { return 0 }
    guard setMAC(mac, key), EVP_DecryptInit_ex(cipher, Self.cipher.pointer, nil, key.cipherKey, iv) == 1 else { return -1 }
    // RFC 8446 appendix C.4: clients use a TLS 1.3 ticket once, so each resumption brings the next.
    return isSealing && !isTLS13 ? 1 : 2
  }

  private func setMAC(_ mac: OpaquePointer, _ key: TicketKey) -> Bool {
    // The parameters keep pointers to their names: literals of the C macros would be temporary copies.
    var parameters = [
      OSSL_PARAM_construct_octet_string(Self.pointer("key"), key.macKey, TicketKey.macKeyCount),
      OSSL_PARAM_construct_utf8_string(Self.pointer("digest"), UnsafeMutablePointer(mutating: Self.pointer("SHA256")), 0),
      OSSL_PARAM_construct_end(),
    ]
    return EVP_MAC_CTX_set_params(mac, &parameters) == 1
  }

  /// The bytes of a literal, which end with a zero and never move.
  private static func pointer(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
