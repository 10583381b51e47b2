import Limits
import Reactor
import TLS
import Telemetry

/// What a listener asks of its connections. Immutable, shared by workers; a reload makes a new one for new connections.
package final class ListenerContext: Sendable {
  /// What an unencrypted connection is for; no listener is one without having been told.
  package enum Plaintext: Sendable {
    /// Requests are sent elsewhere: to `https` on this port. Nothing else is answered.
    case redirects(port: UInt16)
    /// Requests are served, tokens and all: HTTP/1.1, and HTTP/2 of clients that know.
    case serves
  }

  package enum Security: Sendable {
    case tls(ServerTLSContext)
    case plaintext(Plaintext)
  }

  package let name: String
  /// The listener's id in the metrics, stable across reloads.
  package let metricID: Int
  package let security: Security
  /// Peers that are trusted begin their connections with a PROXY protocol header.
  package let expectsProxyHeader: Bool
  /// Plain HTTP on this port, which has TLS, is sent to `https` instead of being refused.
  package let redirectsPlaintext: Bool
  package let headerBytes: Int
  package let headerCount: Int
  package let uriBytes: Int
  /// Streams of one HTTP/2 connection.
  package let streams: Int
  /// Connections of all workers together, and of one client on one worker.
  private let connectionLimit: DividedLimit
  private let perClientLimit: Int
  /// Milliseconds.
  package let handshakeTimeout: Int
  package let headerTimeout: Int
  package let idleTimeout: Int
  package var bodyTimeout: Int { Int(content.silence) }
  /// How fast content has to come.
  package let content: TransferPace.Rules
  /// How long requests may take that are in flight when their connection has to end.
  package let drainTime: Int
  /// Networks whose `X-Forwarded-For` is believed: high and low half of the address, prefix length of 128. All zeros of 128 are
  /// peers on a Unix socket.
  package let trusted: [ListenerTrust.Network]
  /// Answers `/.well-known/jwks.json` with the internal token's public keys, and nothing else.
  package let servesKeys: Bool
  /// Takes logout tokens at `/backchannel-logout`, and does nothing else.
  package let servesLogout: Bool
  /// Requests go where routes say: none of the above, and no listener that only redirects.
  package let servesRoutes: Bool
  /// What connections are let in by.
  package let trust: ListenerTrust

  package init(
    name: String, metricID: Int = MetricNames.none, address: String, security: Security, redirectsPlaintext: Bool,
    expectsProxyHeader: Bool, headerBytes: Int, headerCount: Int, uriBytes: Int, streams: Int, connectionLimit: Int, workers: Int = 1,
    perClientLimit: Int, handshakeTimeout: Int, headerTimeout: Int, idleTimeout: Int, content: TransferPace.Rules, drainTime: Int, trusted: [ListenerTrust.Network], servesKeys: Bool, servesLogout: Bool = false
  ) {
    self.servesLogout = servesLogout
    var purpose = servesKeys ? ListenerTrust.Purpose.keys : servesLogout ? .logout : .routes
    if case .plaintext(.redirects) = security { purpose = .redirects }
    servesRoutes = purpose == .routes
    var tls: (TLSVersion, ClientAuthentication)?
    if case .tls(let context) = security { tls = (context.minimumVersion, context.clientAuthentication) }
    trust = ListenerTrust(
      address: address, purpose: purpose, tls: tls, expectsProxyHeader: expectsProxyHeader, proxies: trusted)
    self.name = name
    self.metricID = metricID
    self.security = security
    self.redirectsPlaintext = redirectsPlaintext
    self.expectsProxyHeader = expectsProxyHeader
    self.headerBytes = headerBytes
    self.headerCount = headerCount
    self.uriBytes = uriBytes
    self.streams = streams
    self.connectionLimit = DividedLimit(connectionLimit, parts: workers)
    self.perClientLimit = perClientLimit
    self.handshakeTimeout = handshakeTimeout
    self.headerTimeout = headerTimeout
    self.idleTimeout = idleTimeout
    self.content = content
    self.drainTime = drainTime
    self.trusted = trusted
    self.servesKeys = servesKeys
  }

  /// What one worker takes of the listener's connections.
  func connections(of worker: Int) -> ConnectionRoom.Bounds {
    ConnectionRoom.Bounds(all: connectionLimit.part(of: worker), client: perClientLimit)
  }

  /// Whether a connection from `peer` begins with a header that says whose it is.
  func isIntroduced(by peer: PeerAddress) -> Bool { expectsProxyHeader && trusts(peer) }

  package func trusts(_ peer: PeerAddress) -> Bool {
    if trusted.isEmpty { return false }
    for network in trusted
    where peer.isInside(high: network.high, low: network.low, prefixLength: network.prefixLength) { return true }
    return false
  }
}
