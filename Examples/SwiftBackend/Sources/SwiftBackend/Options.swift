/// `--name value` pairs; all of them are required but those with a default here.
struct Options {
  var host = "127.0.0.1"
  var port = 9443
  /// The backend's own certificate and key, and the authority that vouches for the gateway's.
  var certificate = ""
  var key = ""
  var authority = ""
  /// Where the gateway publishes its keys, and the authority that vouches for that listener.
  var keys = ""
  var keysAuthority = ""
  /// Seconds between two fetches of the keys, at least.
  var cooldown = 30
  var issuer = "https://gateway.internal"
  var audience = "orders"

  init(_ arguments: some Sequence<String>) throws {
    var iterator = arguments.makeIterator()
    while let name = iterator.next() {
      guard let value = iterator.next() else { throw Usage("\(name) has no value") }
      switch name {
      case "--host": host = value
      case "--port": port = Int(value) ?? port
      case "--certificate": certificate = value
      case "--key": key = value
      case "--authority": authority = value
      case "--keys": keys = value
      case "--keys-authority": keysAuthority = value
      case "--cooldown": cooldown = Int(value) ?? cooldown
      case "--issuer": issuer = value
      case "--audience": audience = value
      default: throw Usage("there is no option \(name)")
      }
    }
    for (name, value) in [("certificate", certificate), ("key", key), ("authority", authority), ("keys", keys)]
    where value.isEmpty { throw Usage("--\(name) is missing") }
    if keysAuthority.isEmpty { keysAuthority = authority }
  }

  struct Usage: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }
}
