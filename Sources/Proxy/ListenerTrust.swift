import Reactor
import TLS

/// What a listener's connections were let in by, and as what: all that a reload may withdraw from those that are open.
///
/// A connection made under one goes on under another as long as that one would let it in as it is. Two that are equal need no look at
/// any connection.
package struct ListenerTrust: Equatable, Sendable {
  package enum Purpose: Equatable, Sendable {
    case routes, redirects, keys, logout
  }

  package struct Network: Equatable, Sendable {
    package let high: UInt64
    package let low: UInt64
    package let prefixLength: Int

    package init(high: UInt64, low: UInt64, prefixLength: Int) {
      self.high = high
      self.low = low
      self.prefixLength = prefixLength
    }
  }

  /// Where it listens: a listener that has moved has gone from there.
  package let address: String
  package let purpose: Purpose
  /// The lowest version of TLS; nil in the clear.
  package let minimumVersion: TLSVersion?
  /// SHA-256 of the certificates that clients' chains may end at.
  package let authorities: Set<[UInt8]>
  package let requiresCertificate: Bool
  /// Peers that are trusted say first whose connection it is.
  package let expectsProxyHeader: Bool
  /// Whose word about the client is believed.
  package let proxies: [Network]

  package init(
    address: String, purpose: Purpose, tls: (minimumVersion: TLSVersion, clients: ClientAuthentication)?, expectsProxyHeader: Bool,
    proxies: [Network]
  ) {
    self.address = address
    self.purpose = purpose
    minimumVersion = tls?.minimumVersion
    authorities = tls?.clients.thumbprints ?? []
    requiresCertificate = tls?.clients.isRequired ?? false
    self.expectsProxyHeader = expectsProxyHeader
    self.proxies = proxies
  }

  /// What is known of a connection that was let in.
  package struct Connection: Equatable, Sendable {
    package let madeUnder: ListenerTrust
    package let hasCertificate: Bool
    package let isTLS13: Bool

    package init(madeUnder: ListenerTrust, hasCertificate: Bool, isTLS13: Bool) {
      self.madeUnder = madeUnder
      self.hasCertificate = hasCertificate
      self.isTLS13 = isTLS13
    }
  }

  /// Whether a connection made under another may go on. A certificate is good as long as every authority that may have vouched for it
  /// is believed, so that one can be added before another is taken away.
  package func keeps(_ connection: Connection) -> Bool {
    let old = connection.madeUnder
    guard address == old.address, purpose == old.purpose, expectsProxyHeader == old.expectsProxyHeader else { return false }
    guard old.proxies.allSatisfy({ proxies.contains($0) }) else { return false }
    switch (minimumVersion, old.minimumVersion) {
    case (nil, nil): break
    case (.tls12?, .some): break
    case (.tls13?, .some): guard connection.isTLS13 else { return false }
    default: return false
    }
    return connection.hasCertificate ? old.authorities.isSubset(of: authorities) : !requiresCertificate
  }
}
