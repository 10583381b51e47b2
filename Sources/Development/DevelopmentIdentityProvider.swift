import CLinux
import JSON

/// An identity provider for a developer's machine: it publishes its keys, and gives a token to anyone who asks.
///
/// `GET /.well-known/openid-configuration`, `GET /jwks.json`, and `GET` or `POST /token` with `sub`, `scope`, `aud`, `roles`
/// (separated by spaces), `tenant` and `expires_in`, in the query or as a form. All have defaults: a bare `/token` works.
package final class DevelopmentIdentityProvider: Sendable {
  private let server: HTTPServer
  package var port: UInt16 { server.port }

  /// Binds at once; answers after `start`.
  package init(issuer: DevelopmentIssuer, host: String, port: UInt16) throws {
    server = try HTTPServer(host: host, port: port, context: nil) { Self.answer($0, issuer, now: Int64(time(nil))) }
  }

  package func start() { server.start() }
  package func stop() { server.stop() }

  static func answer(_ request: HTTPRequest, _ issuer: DevelopmentIssuer, now: Int64) -> HTTPResponse {
    switch request.path {
    case "/.well-known/openid-configuration":
      return HTTPResponse(status: 200, content: PrettyJSON.bytes(discovery(issuer.issuer)))
    case "/jwks.json": return HTTPResponse(status: 200, content: issuer.keySet)
    case "/token":
      let form = request.method == "POST" ? String(decoding: request.content, as: UTF8.self) : ""
      do {
        let grant = try grant(from: FormParameters(request.query ?? "") + FormParameters(form))
        let token = try issuer.token(grant, now: now)
        return HTTPResponse(
          status: 200,
          content: PrettyJSON.bytes(
            .object([
              JSONMember("access_token", JSONValue(text: token)), JSONMember("token_type", "Bearer"),
              JSONMember("expires_in", .integer(grant.lifetime)), JSONMember("scope", JSONValue(text: grant.scope)),
            ])))
      } catch {
        let members = [JSONMember("error", "invalid_request"), JSONMember("error_description", JSONValue(text: "\(error)"))]
        return HTTPResponse(status: 400, content: PrettyJSON.bytes(.object(members)))
      }
    default: return HTTPResponse(status: 404, content: Array(#"{"error":"not_found"}"#.utf8))
    }
  }

  /// OpenID Connect Discovery 1.0 section 3, as far as there is anything to say.
  private static func discovery(_ issuer: String) -> JSONValue {
    .object([
      JSONMember("issuer", JSONValue(text: issuer)), JSONMember("jwks_uri", JSONValue(text: issuer + "/jwks.json")),
      JSONMember("token_endpoint", JSONValue(text: issuer + "/token")),
      JSONMember("id_token_signing_alg_values_supported", .array(["ES256"])),
    ])
  }

  private static func grant(from parameters: FormParameters) throws -> DevelopmentIssuer.Grant {
    var grant = DevelopmentIssuer.Grant()
    for (name, value) in parameters.pairs {
      switch name {
      case "sub": grant.subject = value
      case "scope": grant.scope = value
      case "aud": grant.audience = value
      case "roles": grant.roles = value.split(separator: " ").map(String.init)
      case "tenant": grant.tenant = value
      case "expires_in":
        guard let seconds = Int64(value), (1...86_400).contains(seconds) else {
          throw DevelopmentError("expires_in must be a number of seconds, at most 86400")
        }
        grant.lifetime = seconds
      case "grant_type", "client_id", "client_secret": break
      default: throw DevelopmentError("unknown parameter \(name)")
      }
    }
    return grant
  }
}
