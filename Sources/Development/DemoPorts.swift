/// The ports that a demo listens on, all on the loopback interface.
package struct DemoPorts: Sendable {
  package var edge: UInt16 = 8443
  package var admin: UInt16 = 9901
  package var orders: UInt16 = 9443
  package var users: UInt16 = 9444
  package var identityProvider: UInt16 = 9000
  package init() {}

  /// With the option of `gatehouse demo` that changes each.
  private var all: [(port: UInt16, holder: String, option: String)] {
    [
      (edge, "the gateway", "--port"), (admin, "its admin listener", "--admin-port"),
      (orders, "the orders backend", "--orders-port"),
      (users, "the users backend", "--users-port"), (identityProvider, "the identity provider", "--idp-port"),
    ]
  }

  /// Says of every port that is taken, at once, how to choose another.
  ///
  /// - Throws: `DevelopmentError`.
  package func check() throws {
    var problems: [String] = []
    for (index, one) in all.enumerated() {
      if let twin = all[..<index].first(where: { $0.port == one.port }) {
        problems.append("\(one.holder) and \(twin.holder) cannot both have port \(one.port): change \(one.option)")
      } else if (try? ListeningSocket(host: "127.0.0.1", port: one.port)) == nil {
        problems.append("port \(one.port) for \(one.holder) is taken: stop what uses it, or choose another with \(one.option)")
      }
    }
    if !problems.isEmpty { throw DevelopmentError(problems.joined(separator: "\n           ")) }
  }

  /// What the example routes read from the environment.
  package var environment: [String: String] {
    [
      "EDGE_ADDRESS": "127.0.0.1:\(edge)", "ADMIN_ADDRESS": "127.0.0.1:\(admin)", "ORDERS_ADDRESS": "127.0.0.1:\(orders)",
      "USERS_ADDRESS": "127.0.0.1:\(users)", "IDP_ISSUER": issuer,
    ]
  }

  package var issuer: String { "http://localhost:\(identityProvider)" }
}
