import Development
import Foundation
import JSON
import TLS
import Testing
import Tokens

@Suite("Echo backend")
struct EchoBackendTests {
  let directory: TemporaryDirectory
  let pki: DevelopmentPKI
  let backend: EchoBackend

  init() throws {
    directory = try TemporaryDirectory()
    pki = DevelopmentPKI(directory: directory.path)
    _ = try pki.make()
    backend = try EchoBackend(EchoBackend.Settings(name: "orders", host: "127.0.0.1", port: 0, directory: directory.path))
    backend.start()
  }

  /// curl with the gateway's certificate, or that of another of the set.
  private func curl(_ arguments: [String], certificate: String = "gateway") throws -> (status: Int32, output: String) {
    try run(
      [
        "curl", "-sS", "--http1.1", "--cacert", pki.path("mesh-ca.crt"), "--resolve", "orders.internal:\(backend.port):127.0.0.1",
        "--cert", pki.path("\(certificate).crt"), "--key", pki.path("\(certificate).key"),
      ] + arguments + ["https://orders.internal:\(backend.port)/orders/7?page=2"])
  }

  private func answer(_ text: String) throws -> JSONValue {
    try #require(try? JSONParser.parse(Array(text.utf8), limits: .token), "\(text)")
  }

  private func token(_ changes: [String: JSONValue?] = [:], type: String = "int+jwt", key: String = "internal-token") throws
    -> String
  {
    let now = Int64(Date().timeIntervalSince1970)
    let gateway = try CertificateChain(certificate: pki.path("gateway.crt"), key: pki.path("gateway.key"))
    var claims: [String: JSONValue] = [
      "iss": "https://gateway.internal", "aud": "orders", "sub": "alice", "iat": .integer(now), "exp": .integer(now + 60),
      "cnf": .object([JSONMember("x5t#S256", .string(gateway.thumbprintText))]),
    ]
    for (name, value) in changes { claims[name] = value }
    let object = JSONValue.object(claims.map { JSONMember($0.key, $0.value) })
    let pem = [UInt8](try Data(contentsOf: URL(fileURLWithPath: pki.path("\(key).key"))))
    let header = #"{"alg":"ES256","typ":"\#(type)","kid":"development"}"#
    var token = Base64URL.encode(Array(header.utf8)) + [UInt8(ascii: ".")] + Base64URL.encode(JSONWriter.bytes(object))
    let signer = try SigningKey(kid: "development", algorithm: .es256, pem: pem)
    let signature = signer.sign(token.span)
    #expect(signature != nil)
    token.append(UInt8(ascii: "."))
    if let signature { Base64URL.append(signature.span, to: &token) }
    return String(decoding: token, as: UTF8.self)
  }

  @Test("says what reached it: request, content, client certificate, verified claims")
  func echoes() throws {
    let result = try curl(["-H", "X-Internal-Token: \(token())", "-H", "X-Colour: green", "--data-binary", "hello"])
    let answer = try answer(result.output)
    #expect(answer.member("backend") == "orders" && answer.member("method") == "POST")
    #expect(answer.member("path") == "/orders/7" && answer.member("query") == "page=2")
    #expect(answer.member("body_bytes") == .integer(5))
    #expect(answer.value(at: "client_certificate.identity") == "spiffe://gatehouse.internal/gateway")
    #expect(answer.value(at: "headers.x-colour") == "green")
    #expect(answer.value(at: "headers.x-internal-token") == nil)
    #expect(answer.value(at: "internal_token.verified") == .boolean(true))
    #expect(answer.value(at: "internal_token.bound_to_this_connection") == .boolean(true))
    #expect(answer.value(at: "internal_token.claims.sub") == "alice")
  }

  /// A token with one fault, and what the backend says of it.
  struct Fault: Sendable {
    var reason: String
    var type = "int+jwt"
    var key = "internal-token"
    var changes: [String: JSONValue?] = [:]
  }

  static let faults: [Fault] = [
    Fault(reason: "typ is not int+jwt", type: "at+jwt"),
    Fault(reason: "the signature is wrong", key: "idp"),
    Fault(reason: "aud is not orders", changes: ["aud": "users"]),
    Fault(reason: "exp is missing or past", changes: ["exp": .integer(1_700_000_000)]),
    Fault(reason: "exp is missing or past", changes: ["exp": Optional<JSONValue>.none]),
    Fault(reason: "iat is missing or in the future", changes: ["iat": .integer(32_000_000_000)]),
    Fault(
      reason: "cnf does not name the certificate this connection was opened with",
      changes: ["cnf": .object([JSONMember("x5t#S256", "AAAA")])]),
  ]

  @Test("a token that a backend must not believe is not verified, and the answer says why", arguments: faults)
  func refuses(fault: Fault) throws {
    let token = try token(fault.changes, type: fault.type, key: fault.key)
    let answer = try answer(curl(["-H", "X-Internal-Token: \(token)"]).output)
    #expect(answer.value(at: "internal_token.verified") == .boolean(false))
    #expect(answer.value(at: "internal_token.reason")?.text == fault.reason)
  }

  @Test("a token whose times are the outermost numbers is looked at like any other")
  func outermostTimes() throws {
    let never = try answer(curl(["-H", "X-Internal-Token: \(token(["exp": .integer(.max), "iat": .integer(.min)]))"]).output)
    #expect(never.value(at: "internal_token.verified") == .boolean(true))
    let past = try answer(curl(["-H", "X-Internal-Token: \(token(["exp": .integer(.min)]))"]).output)
    #expect(past.value(at: "internal_token.reason") == "exp is missing or past")
    let future = try answer(curl(["-H", "X-Internal-Token: \(token(["iat": .integer(.max)]))"]).output)
    #expect(future.value(at: "internal_token.reason") == "iat is missing or in the future")
  }

  @Test("a token taken to another connection is not verified there")
  func otherConnection() throws {
    let answer = try answer(curl(["-H", "X-Internal-Token: \(token())"], certificate: "users").output)
    #expect(answer.value(at: "client_certificate.identity") == "spiffe://gatehouse.internal/users")
    #expect(answer.value(at: "internal_token.verified") == .boolean(false))
  }

  @Test("a client without a certificate of the mesh gets nothing")
  func needsACertificate() throws {
    let anonymous = try run([
      "curl", "-sS", "--cacert", pki.path("mesh-ca.crt"), "https://localhost:\(backend.port)/",
    ])
    #expect(anonymous.status != 0)
    #expect(try curl([], certificate: "edge").status != 0)
  }

  @Test("chunked content is counted, and HEAD answers a head alone")
  func chunked() throws {
    let file = directory.path + "/content"
    try Data(repeating: 0x61, count: 300_000).write(to: URL(fileURLWithPath: file))
    let sent = try curl(["-H", "Transfer-Encoding: chunked", "-T", file])
    #expect(try answer(sent.output).member("body_bytes") == .integer(300_000))
    let head = try curl(["--head"])
    #expect(head.status == 0 && head.output.hasPrefix("HTTP/1.1 200") && !head.output.contains("{"))
  }
}
