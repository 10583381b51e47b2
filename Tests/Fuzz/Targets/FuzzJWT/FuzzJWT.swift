import FuzzDriver
import JSON
import Tokens

nonisolated(unsafe) private let verifier = AccessTokenVerifier(
  providers: [
    IdentityProvider(
      name: "fuzz", issuer: "fuzz", audiences: ["fuzz"], algorithms: JOSEAlgorithm.allCases, keySet: keySet,
      logout: LogoutRules(audiences: ["fuzz"], keep: 60, endsAllSessions: true))
  ], cacheBytes: 64 << 10)

/// The public key of RFC 7515 appendix A.3, whose private half is public too: nothing here depends on a secret.
private let keySet = try? KeySet.parse(
  Array(
    #"""
    {"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}
    """#.utf8))

/// What is read is read in one way: JSON that was accepted is written and read again as the same value, base64url that was
/// decoded is encoded to the same text. Key sets and tokens of any bytes are refused or taken, and nothing traps.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  if let value = try? JSONParser.parse(bytes, limits: .token) {
    let written = JSONWriter.bytes(value)
    // Control characters may grow when written, so the size is not what limits the second reading.
    let again = try? JSONParser.parse(written, limits: .keySet)
    precondition(again == value)
    _ = value.value(at: "a.b.c" as String)
  }
  if let decoded = Base64URL.decode(bytes) { precondition(Base64URL.encode(decoded) == bytes) }
  _ = try? KeySet.parse(bytes)
  _ = try? KeySet.parse(bytes, allowsSymmetric: true)
  if case .accepted = verifier.verify(bytes.span, acceptable: ProviderSet([0]), now: 0) { preconditionFailure("forged") }

  // The same bytes as header and as payload, so that the fuzzer need not find base64url first.
  var token = Base64URL.encode(bytes) + [0x2e]
  Base64URL.append(bytes, to: &token)
  token += Array(".AAAA".utf8)
  if case .accepted = verifier.verify(token.span, acceptable: ProviderSet([0]), now: 0) { preconditionFailure("forged") }
  if case .accepted = verifier.verifyLogout(token.span, now: 0) { preconditionFailure("forged") }
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzJWT_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
