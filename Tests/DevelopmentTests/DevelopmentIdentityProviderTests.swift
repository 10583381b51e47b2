import Development
import Foundation
import JSON
import Testing
import Tokens

@Suite("Development identity provider")
struct DevelopmentIdentityProviderTests {
  let directory: TemporaryDirectory
  let provider: DevelopmentIdentityProvider
  let base: String

  init() throws {
    directory = try TemporaryDirectory()
    _ = try DevelopmentPKI(directory: directory.path).make()
    let issuer = try DevelopmentIssuer(issuer: "http://localhost:9000", directory: directory.path)
    provider = try DevelopmentIdentityProvider(issuer: issuer, host: "127.0.0.1", port: 0)
    provider.start()
    base = "http://127.0.0.1:\(provider.port)"
  }

  private func get(_ path: String, _ arguments: [String] = []) throws -> JSONValue {
    let result = try run(["curl", "-sS"] + arguments + [base + path])
    #expect(result.status == 0, "\(result.output)")
    return try JSONParser.parse(Array(result.output.utf8), limits: .token)
  }

  private func parts(_ answer: JSONValue) throws -> (header: JSONValue, claims: JSONValue, verified: Bool) {
    let token = try #require(answer.member("access_token")?.bytes)
    let keys = try KeySet.parse(JSONWriter.bytes(get("/jwks.json")))
    let parts = try CompactJWS(token.span)
    let key = try #require(keys.candidates(kid: parts.kid, algorithm: .es256).first)
    let signature = parts.signature
    let verified = SignatureVerifier().isValid(
      signature.span, over: token.span.extracting(..<parts.signedCount), by: key, algorithm: .es256)
    return (parts.header, try JSONParser.parse(parts.payload, limits: .token), verified)
  }

  @Test("a bare request gets a token that its published keys verify")
  func bare() throws {
    let (header, claims, verified) = try parts(get("/token"))
    #expect(verified)
    #expect(header.member("typ") == "JWT" && header.member("kid") == "development")
    #expect(claims.member("iss") == "http://localhost:9000" && claims.member("sub") == "alice" && claims.member("aud") == "api")
    #expect(claims.member("roles") == nil)
  }

  @Test("query and form say who the token is for")
  func grant() throws {
    let (_, claims, _) = try parts(
      get("/token?sub=bob%20b&roles=admin+support", ["-d", "scope=users:read", "-d", "expires_in=60"]))
    #expect(claims.member("sub") == "bob b" && claims.member("scope") == "users:read")
    #expect(claims.member("roles") == .array(["admin", "support"]))
    let lifetime = try #require(claims.member("exp")?.flooredInteger) - #require(claims.member("iat")?.flooredInteger)
    #expect(lifetime == 60)
  }

  @Test(
    "what it does not understand is an error", arguments: ["?expires_in=x", "?expires_in=99999999", "?colour=red", "?sub=%zz"])
  func refuses(query: String) throws {
    #expect(try get("/token" + query).member("error") == "invalid_request")
  }

  @Test("its discovery document names itself")
  func discovery() throws {
    let document = try get("/.well-known/openid-configuration")
    #expect(document.member("issuer") == "http://localhost:9000")
    #expect(document.member("jwks_uri") == "http://localhost:9000/jwks.json")
  }
}
