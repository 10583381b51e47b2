/// Where a Redis server is and who we are there.
package struct RedisEndpoint: Sendable, Equatable, CustomStringConvertible {
  package enum Address: Sendable, Equatable, CustomStringConvertible {
    /// A name is resolved at every connect, by the system's resolver, which blocks the calling thread.
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    package var description: String {
      switch self {
      case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
      case .unix(let path): "unix:\(path)"
      }
    }
  }

  package var address: Address
  /// Needs Redis 6; nil for the default user.
  package var username: String?
  /// Nil: no AUTH is sent, and `username` has no effect.
  package var password: String?
  /// 0 is where every connection starts, so no SELECT is sent for it. Channels are the same in every database.
  package var database: Int

  package init(_ address: Address, username: String? = nil, password: String? = nil, database: Int = 0) {
    self.address = address
    self.username = username
    self.password = password
    self.database = database
  }

  /// The address alone, so that no log gets the password.
  package var description: String { address.description }

  /// The commands that come before any other on a connection, in order.
  var greeting: [[String]] {
    var commands: [[String]] = []
    if let password { commands.append(username.map { ["AUTH", $0, password] } ?? ["AUTH", password]) }
    if database != 0 { commands.append(["SELECT", String(database)]) }
    return commands
  }
}
