import Bytes
import HTTP
import JSON
import Tokens

/// A request that brings a logout token: its content is the gateway's own business.
struct Logout {
  var form: [UInt8] = []
  /// Given out by the desk, once the token was found good; 0 before.
  var number: UInt64 = 0
  /// What has to be forgotten again if the logout fails.
  var id: [UInt8] = []
  var issuer: [UInt8] = []
}

/// A `serve: logout` listener: OpenID Connect Back-Channel Logout 1.0 section 2.5 and what follows.
extension Exchange {
  private static let logoutPath: StaticString = "/backchannel-logout"
  /// Bytes of a form.
  private static let maximumForm = 64 << 10

  func beginLogout(_ client: ClientStream) {
    guard ASCII.equal(slice(head.path), Self.logoutPath) else { return refuse(.noRoute) }
    guard head.method == .post else { return refuse(.methodNotAllowed) }
    if case .length(let count) = head.framing, count > UInt64(Self.maximumForm) { return refuse(.bodyTooLarge) }
    logout = Logout()
    if state.request == .complete { return decideLogout(mayWait: true) }
    tellToContinue()
    client.resumeContent()
  }

  func logoutContent(_ content: UnsafeBufferPointer<UInt8>) {
    guard (logout?.form.count ?? 0) + content.count <= Self.maximumForm else { return interrupt(.bodyTooLarge) }
    logout?.form.append(contentsOf: content)
  }

  /// The form is whole, or the keys that it waited for are as new as they get.
  func decideLogout(mayWait: Bool) {
    guard let form = logout?.form, let token = FormContent.value(of: "logout_token", in: form) else {
      return refuseLogout("the content is no form with one logout_token")
    }
    let now = worker.seconds
    switch worker.verifier.verifyLogout(token.span, now: now) {
    case .refused(let reason): refuseLogout(reason)
    case .keysUnavailable: refuse(.keysUnavailable)
    case .unknownKey(let remote, let kid):
      if !mayWait || !waitForKeys(remote, kid) { refuseLogout("no known key belongs to the token") }
    case .accepted(let entries, let id):
      let issuer = entries.first?.issuer ?? []
      switch ReplayCache.logouts.insert(id, of: issuer, now: now, lifetime: AccessTokenVerifier.logoutLifetime) {
      case .accepted: break
      case .seen: return refuseLogout("jti was seen before")
      case .full: return refuse(.overloaded)
      }
      guard let number = worker.logouts.begin(self, entries) else {
        ReplayCache.logouts.remove(id, of: issuer)
        return refuse(.overloaded)
      }
      logout?.id = id
      logout?.issuer = issuer
      logout?.number = number
      responseDeadline = loop.now &+ LogoutDesk.patience
      armClient()
    }
  }

  func logoutSettled(isKept: Bool) {
    guard let logout else { return }
    self.logout?.number = 0
    guard isKept else {
      // Who calls again is to be heard again.
      ReplayCache.logouts.remove(logout.id, of: logout.issuer)
      return refuseLogout("the logout is in force here, but could not be kept")
    }
    answerLogout(status: 200, [], type: "text/plain")
  }

  /// Section 2.8: 400, whatever it was.
  private func refuseLogout(_ reason: StaticString) {
    error = .logoutRefused
    worker.reportRefusedLogout(reason)
    var body = Array("{\"error\":\"invalid_request\",\"error_description\":".utf8)
    JSONWriter.append(string: reason.bytes, to: &body)
    body += Array("}\n".utf8)
    answerLogout(status: 400, body, type: "application/json")
  }

  private func answerLogout(status: Int, _ body: [UInt8], type: StaticString) {
    guard !state.isOver, let client else { return }
    state.answered()
    self.status = status
    client.respondOwn(body, type: type, status: UInt16(status), to: self)
    complete(client)
  }
}
