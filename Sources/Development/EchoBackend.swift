import CLinux
import JSON
import TLS
import Tokens

/// A backend for trying things out: it answers every request with what reached it, and with what it could verify.
///
/// It asks for mutual TLS and checks the internal token as a real backend must, so its answer shows whether the two fit.
package final class EchoBackend: Sendable {
  private let server: HTTPServer

  /// Where it listens, and the files of a `DevelopmentPKI` that it uses.
  package struct Settings: Sendable {
    package var name: String
    package var host: String
    package var port: UInt16
    package var directory: String
    /// The field that the gateway sends the internal token in.
    package var tokenField = "X-Internal-Token"

    package init(name: String, host: String, port: UInt16, directory: String) {
      self.name = name
      self.host = host
      self.port = port
      self.directory = directory
    }
  }

  package var port: UInt16 { server.port }

  /// Binds at once; answers after `start`.
  ///
  /// - Throws: `DevelopmentError` when a file cannot be used or the port is taken.
  package init(_ settings: Settings) throws {
    let pki = DevelopmentPKI(directory: settings.directory)
    let context: ServerTLSContext
    let keys: KeySet
    do {
      context = try ServerTLSContext(
        certificates: [CertificateChain(certificate: pki.path("\(settings.name).crt"), key: pki.path("\(settings.name).key"))],
        clientAuthentication: .required(CertificateAuthorities(path: pki.path("mesh-ca.crt"))), ticketKeys: TicketKeyRing())
      keys = try KeySet.parse(TextFile.read(pki.path("internal-token.jwks.json")))
    } catch {
      throw DevelopmentError("the backend \(settings.name) cannot start: \(error)")
    }
    let check = InternalTokenCheck(keys: keys, audience: settings.name)
    server = try HTTPServer(host: settings.host, port: settings.port, context: context) { request in
      HTTPResponse(
        status: 200, content: PrettyJSON.bytes(Self.answer(request, settings, check, now: Int64(time(nil)))))
    }
  }

  package func start() { server.start() }
  package func stop() { server.stop() }

  static func answer(_ request: HTTPRequest, _ settings: Settings, _ check: InternalTokenCheck, now: Int64) -> JSONValue {
    var members = [
      JSONMember("backend", JSONValue(text: settings.name)),
      JSONMember("method", JSONValue(text: request.method)),
      JSONMember("path", JSONValue(text: request.path)),
    ]
    if let query = request.query { members.append(JSONMember("query", JSONValue(text: query))) }
    members.append(JSONMember("internal_token", token(request, settings, check, now)))
    if let peer = request.peer {
      members.append(
        JSONMember(
          "client_certificate",
          .object([
            JSONMember("identity", JSONValue(text: peer.text)),
            JSONMember("x5t#S256", .string(Base64URL.encode(peer.thumbprint))),
          ])))
    }
    members.append(JSONMember("headers", headers(request, without: settings.tokenField)))
    members.append(JSONMember("body_bytes", .integer(Int64(clamping: request.contentCount))))
    return .object(members)
  }

  private static func token(
    _ request: HTTPRequest, _ settings: Settings, _ check: InternalTokenCheck, _ now: Int64
  ) -> JSONValue {
    guard request.fields.contains(where: { $0.name.lowercased() == settings.tokenField.lowercased() }) else { return .null }
    guard let text = request.field(settings.tokenField) else {
      return .object([
        JSONMember("verified", .boolean(false)),
        JSONMember("reason", JSONValue(text: "more than one \(settings.tokenField) field")),
      ])
    }
    let verdict = check.check(text, peer: request.peer, now: now)
    var members = [JSONMember("verified", .boolean(verdict.refusal == nil))]
    if let refusal = verdict.refusal { members.append(JSONMember("reason", JSONValue(text: refusal))) }
    members.append(JSONMember("bound_to_this_connection", .boolean(verdict.isBound)))
    if let header = verdict.header { members.append(JSONMember("header", header)) }
    if let claims = verdict.claims { members.append(JSONMember("claims", claims)) }
    return .object(members)
  }

  /// All fields but the internal token, which stands above in clear; repeated ones joined as RFC 9110 section 5.3 joins them.
  private static func headers(_ request: HTTPRequest, without omitted: String) -> JSONValue {
    var members: [JSONMember] = []
    for field in request.fields where field.name.lowercased() != omitted.lowercased() {
      let name = Array(field.name.lowercased().utf8)
      if let index = members.firstIndex(where: { $0.name == name }) {
        members[index].value = JSONValue(text: (members[index].value.text ?? "") + ", " + field.value)
      } else {
        members.append(JSONMember(name: name, value: JSONValue(text: field.value)))
      }
    }
    return .object(members)
  }
}
