import FuzzDriver
import GatehouseBackend
import JSON
import Tokens

/// Two readers, written apart: the gateway's, and the library's that backends verify internal tokens with. What one takes the
/// other takes, and both find the same in it.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  let ours = try? JSONParser.parse(bytes, limits: .token)
  let theirs = try? JSONReader.read(bytes)
  precondition(ours.map(translated) == theirs)
  precondition(Tokens.Base64URL.decode(bytes) == GatehouseBackend.Base64URL.decode(bytes))
  compare(bytes)

  // The same bytes as header and as payload, so that the fuzzer need not find base64url first.
  var token = Tokens.Base64URL.encode(bytes) + [0x2e]
  Tokens.Base64URL.append(bytes, to: &token)
  compare(token + Array(".AAAA".utf8))
  return 0
}

private func compare(_ token: [UInt8]) {
  let ours = try? CompactJWS(token.span)
  let theirs = try? CompactToken(token)
  precondition((ours == nil) == (theirs == nil))
  guard let ours, let theirs else { return }
  precondition(ours.kid == theirs.kid.map { Array($0.utf8) })
  precondition(ours.type == theirs.type.map { Array($0.utf8) })
  precondition(ours.algorithm == JOSEAlgorithm(theirs.algorithm))
  precondition(ours.payload == theirs.payload && ours.signature == theirs.signature)
  precondition(ours.signedCount == theirs.signed.count)
}

private func translated(_ value: JSON.JSONValue) -> GatehouseBackend.JSONValue {
  switch value {
  case .object(let members):
    .object(members.map { .init(name: String(decoding: $0.name, as: UTF8.self), value: translated($0.value)) })
  case .array(let elements): .array(elements.map(translated))
  case .string(let bytes): .string(String(decoding: bytes, as: UTF8.self))
  case .integer(let value): .integer(value)
  case .number(let value): .number(value)
  case .boolean(let value): .boolean(value)
  case .null: .null
  }
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzBackendToken_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
