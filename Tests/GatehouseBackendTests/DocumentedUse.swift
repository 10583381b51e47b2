import GatehouseBackend
import Testing

/// docs/backends.md shows these lines.
@Suite("The documented way")
struct DocumentedUse {
  private static let gateway = TestGateway()

  private func download(_ path: String) async throws -> [UInt8] { TestGateway.jwks(Self.gateway) }

  private func answer(_ field: String, _ der: [UInt8]?) async throws -> String {
    let keys = KeySetCache { FetchedKeySet(content: try await download("/.well-known/jwks.json")) }
    try await keys.load()  // Optional: a start that fails when the keys cannot be had.

    let verifier = InternalTokenVerifier(keys: keys, issuer: "https://gateway.internal", audience: "orders")

    do {
      let token = try await verifier.verify(field, on: .connection(clientCertificate: der))
      return "hello \(token.subject) of \(token.identityProvider ?? "nowhere"), you may \(token.scopes)"
    } catch .keysUnavailable {
      return "503"
    } catch {
      return "401 \(error.code)"
    }
  }

  /// By the clock of this machine, so the token lasts long.
  @Test("works")
  func works() async throws {
    let claims = #"{"iss":"https://gateway.internal","aud":"orders","sub":"alice","iat":0,"exp":9000000000,"cnf":null}"#
    #expect(try await answer(Self.gateway.token(claims), TestGateway.certificate) == "401 token_binding")
    #expect(try await answer("x", TestGateway.certificate) == "401 token_malformed")
    let thumbprint = TestGateway.claims().split(separator: "\"x5t#S256\":\"").last?.prefix(43) ?? ""
    let bound = claims.replacing("null", with: #"{"x5t#S256":"\#(thumbprint)"}"#)
    #expect(try await answer(Self.gateway.token(bound), TestGateway.certificate) == "hello alice of nowhere, you may []")
  }
}
