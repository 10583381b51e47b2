/// How many entries lists may have. What is made of them was tried with as many, at a start and at a reload; beyond, the configuration is
/// refused where the first entry too many stands.
enum ListBounds {
  /// Each has a socket for each worker.
  static let listeners = 256
  /// As many as `Tokens.ProviderSet` has room for.
  static let identityProviders = 1024
  static let backends = 4096
  static let routes = 100_000
  /// Certificates of a listener: each has a context of OpenSSL's.
  static let certificates = 1024
  /// As many as readers of key sets take, the gateway's own among them.
  static let signingKeys = 100
  static let feeds = 64
  /// Claims of an internal token, which is small.
  static let internalClaims = 64
  /// Places where a provider's tokens may stand: each request is looked through for all of a route's.
  static let tokenPlaces = 64
  /// Lists within a row: endpoints, hosts, scopes, claims, certificates …
  static let each = 4096
}
