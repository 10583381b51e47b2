import FuzzDriver
import JSON
import Tokens

private let now: Int64 = 1_800_000_000
private let remote = RemoteIntrospection(name: "fuzz", identity: ["fuzz"], lifetime: 30, inactiveLifetime: 10, patience: 1000)
nonisolated(unsafe) private let verifier = AccessTokenVerifier(
  providers: [
    IdentityProvider(
      name: "fuzz", issuer: "fuzz", audiences: ["api"], algorithms: [], requiredClaims: [.init(path: "a.b", values: ["x"])],
      keySet: nil,
      introspection: remote)
  ], cacheBytes: 64 << 10)

/// Whatever a server answers is read in one way, and lets nobody in but whom it says is active, is for us, and is somebody.
/// The same bytes as a token are asked about, or refused; as an API key they are nobody's.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  let answer = IntrospectionAnswer.parse(bytes, askedAt: now)
  let read = try? JSONParser.parse(bytes, limits: .token)
  switch answer {
  case .active: precondition(read?.member("active") == .boolean(true))
  case .inactive: precondition(read?.member("active") == .boolean(false))
  case .unavailable: precondition(read?.member("active") != .boolean(true))
  }
  let token = Array("opaque".utf8)
  ask: do {
    guard case .unanswered(let asked, let digest) = verifier.verify(token.span, acceptable: ProviderSet([0]), now: now) else {
      break ask
    }
    verifier.settle(asked, digest: digest, answer) {
      guard case .accepted(let verified, _) = verifier.verify(token.span, acceptable: ProviderSet([0]), now: now) else { return }
      guard case .active(let members, _) = answer else { preconditionFailure("nobody vouched") }
      precondition(!verified.principal.subject.isEmpty && verified.validUntil > now)
      precondition(members.member("aud") == "api" || members.member("aud")?.elements?.contains("api") == true)
      precondition(members.member("iss") == nil || members.member("iss") == "fuzz")
    }
    // Another snapshot knows nothing of it, or every later input would find this one's token.
    verifier.install(providers: [])
    verifier.install(providers: [
      IdentityProvider(
        name: "fuzz", issuer: "fuzz", audiences: ["api"], algorithms: [], requiredClaims: [.init(path: "a.b", values: ["x"])],
        keySet: nil,
        introspection: remote)
    ])
  }
  if case .accepted = verifier.verify(bytes.span, acceptable: ProviderSet([0]), now: now), bytes != token {
    preconditionFailure("forged")
  }
  if let id = APIKey.id(of: bytes.span) { precondition(APIKey.isID(id) && count == 4 + id.count + 44) }
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzIntrospection_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
