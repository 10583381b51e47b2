import HTTP
import JSON
import Routing

/// A decoded and validated configuration: everything that can be known without opening the keys and certificates it names.
///
/// Durations are in milliseconds, sizes in bytes. File paths are already resolved against the file that names them.
package struct GatewayConfiguration: Sendable {
  package var process = ProcessSettings()
  package var accessLog = AccessLogSettings.standardOutput
  /// Where its path is written; nil where none is.
  package var accessLogLocation: SourceLocation?
  package var listeners: [ListenerSettings] = []
  package var admin: AdminSettings?
  package var identityProviders: [IdentityProviderSettings] = []
  package var internalToken: InternalTokenSettings?
  package var backends: [BackendSettings] = []
  package var routes: [RouteSettings] = []
  package var revocation = RevocationSettings()
  /// What may stand in a request's path.
  package var pathRules = PathRules()

  package init() {}
}

package struct ProcessSettings: Sendable, Equatable {
  /// 0 is one per core.
  package var workers = 0
  package var drain = 30_000
  /// Bytes that gathered content may take up, all workers together.
  package var gathered = 64 << 20
  /// DPoP proofs that are remembered, all workers together; nil is as many as there are room for by default.
  package var proofs: Int?
  /// trace | debug | info | notice | warning | error | critical
  package var logLevel = "info"
  /// Name servers, `ADDRESS:PORT` each; the system's when there are none.
  package var resolvers: [String] = []
  package init() {}
}

package enum AccessLogSettings: Sendable, Equatable {
  case off
  case standardOutput
  case file(String)
}

/// An address to listen on or connect to.
package enum SocketAddressSettings: Sendable, Hashable {
  /// `host` is a name or an IP literal without brackets.
  case tcp(host: String, port: UInt16)
  case unix(path: String)
}

package struct CertificateSettings: Sendable {
  package var certificate: Located<String>
  package var key: Located<String>
  package init(certificate: Located<String>, key: Located<String>) {
    self.certificate = certificate
    self.key = key
  }
}

package enum TLSVersionSettings: Sendable, Equatable { case tls12, tls13 }
package enum ClientAuthSettings: Sendable, Equatable { case none, optional, required }

package struct ListenerTLSSettings: Sendable {
  package var certificates: [CertificateSettings] = []
  package var minimumVersion = TLSVersionSettings.tls12
  package var clientCA: Located<String>?
  package var clientAuth = ClientAuthSettings.none
  /// Plain HTTP on the port is sent to `https` instead of being refused.
  package var redirectsPlaintext = false
  package init() {}
}

package struct ListenerLimits: Sendable, Equatable {
  package var connections = 10_000
  /// Per client address; 0 is no bound of its own.
  package var connectionsPerClient = 0
  package var headerBytes = 32 << 10
  package var headerCount = 100
  package var uriBytes = 8 << 10
  /// Streams of one HTTP/2 connection.
  package var streams = 100
  package init() {}
}

package struct ListenerTimeouts: Sendable, Equatable {
  package var handshake = 10_000
  package var header = 10_000
  package var idle = 75_000
  package var body = 60_000
  /// Bytes a second that content moves at least; 0 asks for none.
  package var bodyRate = 1 << 10
  /// For a request's content in all; 0 is no bound.
  package var bodyTotal = 600_000
  package init() {}
}

/// An IP network; an IPv4 one stands in the last four of 16 bytes (`::ffff:a.b.c.d`) with 96 added to its prefix length. All zeros
/// of length 128 are peers on a Unix socket.
package struct IPNetwork: Sendable, Equatable {
  package var bytes: [UInt8]
  package var prefixLength: Int
  package init(bytes: [UInt8], prefixLength: Int) {
    self.bytes = bytes
    self.prefixLength = prefixLength
  }
}

extension IPNetwork {
  /// All addresses of IPv4, or of IPv6.
  package var isEverybody: Bool {
    prefixLength == 0 || prefixLength == 96 && bytes == [UInt8](repeating: 0, count: 10) + [0xff, 0xff, 0, 0, 0, 0]
  }
}

/// What a listener without TLS is for.
package enum PlaintextSettings: Sendable, Equatable {
  case redirect(port: UInt16)
  case serve
}

package enum ListenerSecurity: Sendable {
  case tls(ListenerTLSSettings)
  case plaintext(PlaintextSettings)

  /// Plain HTTP on a port that has TLS is sent to `https`.
  package var redirectsPlaintext: Bool {
    if case .tls(let settings) = self { settings.redirectsPlaintext } else { false }
  }
}

package struct ListenerSettings: Sendable {
  package var name: Located<String>
  package var address: Located<SocketAddressSettings>
  package var security: ListenerSecurity
  /// Trusted proxies begin each connection with a PROXY protocol header.
  package var proxyProtocol = false
  package var limits = ListenerLimits()
  package var timeouts = ListenerTimeouts()
  package var trustedProxies: [IPNetwork] = []
  /// `serve: jwks`: this listener answers `/.well-known/jwks.json` with the internal token's keys and nothing else.
  package var servesJWKS = false
  /// `serve: logout`: this listener takes identity providers' logout tokens at `/backchannel-logout` and does nothing else.
  package var servesLogout = false
  package init(name: Located<String>, address: Located<SocketAddressSettings>, security: ListenerSecurity) {
    self.name = name
    self.address = address
    self.security = security
  }
}

package struct AdminSettings: Sendable {
  package var address: Located<SocketAddressSettings>
  /// Names, besides addresses and `localhost`, under which it answers.
  package var hosts: [String] = []
  package init(address: Located<SocketAddressSettings>) { self.address = address }
}

/// Where a token is looked for.
package enum TokenSourceSettings: Sendable, Equatable {
  /// `scheme` is matched without regard to case (RFC 9110 section 11.1); nil takes the whole value.
  case header(name: String, scheme: String?)
  case cookie(name: String)
  /// Behind `marker` in `Sec-WebSocket-Protocol`.
  case subprotocol(marker: String)
  /// A parameter of the query.
  case query(name: String)
}

/// A key set that is fetched. Times are milliseconds.
package struct RemoteKeysSettings: Sendable {
  package enum Place: Sendable {
    case url(HTTPSURL)
    case discovery(issuer: String, HTTPSURL)
  }
  /// The provider's name.
  package var provider: String
  package var place: Place
  /// Roots for the server's certificate; nil believes the system's.
  package var ca: Located<String>?
  package var refresh = 600_000
  package var cooldown = 30_000
  package var maximumAge = 86_400_000
  package init(provider: String, place: Place) {
    self.provider = provider
    self.place = place
  }
}

/// `proof_of_possession`: what a token's sender has to show besides the token.
package struct ProofSettings: Sendable {
  package enum Mode: Sendable { case optional, required }
  package var certificate = Mode.optional
  /// Nil: DPoP proofs are not taken.
  package var dpop: Mode?
  package var needsNonce = false
  package var lifetime = 60_000
  package init() {}
}

package struct IdentityProviderSettings: Sendable {
  package var name: Located<String>
  package var issuer: Located<String>
  package var audiences: [String] = []
  /// JWA names, in the order written.
  package var algorithms: [Located<String>] = []
  /// One of these two is set, but for a provider whose algorithms are all HS*, or that has one of the two behind them.
  package var jwksFile: Located<String>?
  package var remoteKeys: RemoteKeysSettings?
  /// Its tokens say nothing: somebody is asked about them.
  package var introspection: IntrospectionSettings?
  /// Its tokens are API keys, whose hashes this file holds.
  package var apiKeyFile: Located<String>?
  /// For HS*: the shared secret's bytes. Nil when no HS* algorithm is named.
  package var secret: Located<[UInt8]>?
  package var leeway = 30_000
  package var tokenFrom: [TokenSourceSettings] = [.header(name: "Authorization", scheme: "Bearer")]
  /// Sites besides the gateway's own whose pages may send requests with the provider's cookies: `https://app.example.com`.
  package var origins: [String] = []
  package var tokenTypes: [String] = ["JWT", "at+jwt"]
  /// Claim path to the values it may have; `["*"]` asks only that it is there.
  package var requiredClaims: [(claim: String, values: [String])] = []
  /// The claim that `audiences` are looked for in; nil for `audiences: none`.
  package var audienceClaim: String? = "aud"
  /// Nil where it is not written.
  package var tokenUse: [(claim: String, values: [String])]?
  /// Milliseconds.
  package var maximumTokenLife = 86_400_000
  /// Nil for a space.
  package var scopeSeparator: UInt8?
  package var rolesForm = StringListForm.array
  package var maximumTokenBytes = 8 << 10
  package var proof = ProofSettings()
  /// Nil: the provider's logouts are not taken.
  package var logout: LogoutSettings?
  package init(name: Located<String>, issuer: Located<String>, jwksFile: Located<String>?) {
    self.name = name
    self.issuer = issuer
    self.jwksFile = jwksFile
  }
}

/// `protocol`: what the backend is offered by ALPN.
package enum ProtocolSettings: Sendable, Equatable { case automatic, http1, http2 }

package enum BalanceSettings: Sendable, Equatable { case roundRobin, leastRequests }

package struct BackendTLSSettings: Sendable {
  package var ca: Located<String>
  package var certificate: CertificateSettings
  /// SNI, and the DNS SAN asked for when `identities` is empty.
  package var serverName: Located<String>?
  /// URI SANs (SPIFFE IDs), one of which the backend's certificate must carry.
  package var identities: [Located<String>] = []
  package init(ca: Located<String>, certificate: CertificateSettings) {
    self.ca = ca
    self.certificate = certificate
  }
}

package struct BackendTimeouts: Sendable, Equatable {
  package var connect = 2_000
  package var response = 15_000
  package var idle = 60_000
  /// How long a WebSocket may be silent in both directions.
  package var tunnel = 300_000
  package init() {}
}

package struct BackendLimits: Sendable, Equatable {
  /// Connections to the backend, all workers together.
  package var connections = 256
  /// Requests waiting for one of them, all workers together.
  package var pending = 1024
  /// Hundredths of both that one client may have; 100 is no bound.
  package var clientShare = 50
  /// Bytes of a response's head, and its fields.
  package var headerBytes = 64 << 10
  package var headerCount = 128
  package init() {}
}

package struct BackendSettings: Sendable {
  package var name: Located<String>
  package var endpoints: [Located<SocketAddressSettings>] = []
  package var tls: BackendTLSSettings
  package var balance = BalanceSettings.leastRequests
  package var protocols = ProtocolSettings.automatic
  package var timeouts = BackendTimeouts()
  package var limits = BackendLimits()
  package var internalToken: BackendTokenSettings?
  package init(name: Located<String>, tls: BackendTLSSettings) {
    self.name = name
    self.tls = tls
  }
}

package struct RouteSettings: Sendable {
  package var name: Located<String>
  package var match: RouteMatch
  /// Indexes into `identityProviders`; empty for `authenticate: none`.
  package var providers: [Int] = []
  /// What `authorize` says; `.everyone` for a public route and for `authorize: authenticated`.
  package var authorization: AuthorizationRule = .everyone
  /// Indexes into `backends` with their weights (1…1,000,000).
  package var backends: [(backend: Int, weight: Int)] = []
  /// Removed from the path's front before forwarding; nil removes nothing.
  package var stripPrefix: String?
  /// For the whole exchange; nil leaves it to the backend's `response`.
  package var timeout: Int?
  package var bodyMaximum: UInt64?
  /// Bytes of content that are gathered before a backend's connection is taken; 0 gathers none.
  package var bodyGather = 64 << 10
  /// In place of the listener's; 0 is no bound.
  package var bodyRate: Int?
  package var bodyTotal: Int?
  package var forwardAccessToken = false
  /// Fields that frameworks believe, and that the route lets through nevertheless.
  package var forward: [String] = []
  /// Whether a response or WebSocket ends when its access token does.
  package var endAtExpiry = false
  package var location: SourceLocation
  package init(name: Located<String>, match: RouteMatch, location: SourceLocation) {
    self.name = name
    self.match = match
    self.location = location
  }
}
