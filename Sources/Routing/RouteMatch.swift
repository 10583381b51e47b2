/// What a route says about the requests it takes, as configured.
///
/// An empty list says nothing: any host, any method (but `CONNECT` and `TRACE`, which must be named), any headers.
package struct RouteMatch: Sendable, Equatable {
  /// Exact names, `*.example.com`, or IP literals; see `HostPattern`.
  package var hosts: [String]
  /// See `RoutePattern`.
  package var path: String
  /// Method tokens (RFC 9110 section 9.1), case-sensitive.
  package var methods: [String]
  /// Fields that must be there with this value; `*` asks only that the field is there.
  package var headers: [HeaderMatch]

  package init(hosts: [String] = [], path: String = "/**", methods: [String] = [], headers: [HeaderMatch] = []) {
    self.hosts = hosts
    self.path = path
    self.methods = methods
    self.headers = headers
  }
}

/// One field line that a route asks for. The name is compared without regard to case, the value byte for byte. A request whose
/// field is a list with the value in it, so that readers may differ, is refused where that would make a difference.
package struct HeaderMatch: Sendable, Equatable {
  package var name: String
  package var value: String

  package init(name: String, value: String) {
    self.name = name
    self.value = value
  }

  /// Whether any value will do.
  package var isPresence: Bool { value == "*" }
}
