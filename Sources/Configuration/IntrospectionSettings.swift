import HTTP

/// So many in each `period` of milliseconds.
package struct RateSettings: Sendable, Equatable {
  package var count: Int
  package var period: Int
  package init(count: Int, period: Int) {
    self.count = count
    self.period = period
  }
}

/// `introspection` of an identity provider: the endpoint that is asked about its tokens (RFC 7662). Times are milliseconds.
package struct IntrospectionSettings: Sendable {
  package var url: HTTPSURL
  /// Roots for the server's certificate; nil believes the system's.
  package var ca: Located<String>?
  package var clientID: String
  /// One of these two is set: how the gateway shows who it is.
  package var secret: String?
  package var certificate: CertificateSettings?
  /// How long an answer is good for, when the token is active and when it is not.
  package var cache = 30_000
  package var inactiveCache = 10_000
  package var timeout = 2_000
  /// Questions at once, and in a time.
  package var concurrency = 8
  package var rate = RateSettings(count: 100, period: 1_000)
  package init(url: HTTPSURL, clientID: String) {
    self.url = url
    self.clientID = clientID
  }
}
