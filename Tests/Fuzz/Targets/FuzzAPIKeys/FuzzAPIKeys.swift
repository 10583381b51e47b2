import Configuration
import FuzzDriver

/// Whatever a file of API keys holds, it is read as entries that are sound, or as errors that stand inside it, and the same way again;
/// and an entry that was appended is the last that is read back.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  let lines = bytes.count { $0 == 0x0a || $0 == 0x0d } + bytes.count { $0 == 0x85 || $0 == 0xa8 || $0 == 0xa9 } + 1
  let source = ConfigurationSource(name: "keys.yaml", bytes: bytes)
  switch (APIKeyFile.decode(source), APIKeyFile.decode(source)) {
  case (.rejected(let diagnostics), .rejected(let again)):
    precondition(!diagnostics.isEmpty && diagnostics == again)
    for diagnostic in diagnostics {
      precondition(diagnostic.location.line >= 1 && diagnostic.location.line <= lines + 1 && diagnostic.location.column >= 1)
    }
  case (.decoded(let keys), .decoded(let again)):
    precondition(keys.map(\.id) == again.map(\.id) && Set(keys.map(\.id)).count == keys.count)
    for key in keys { precondition(key.hash.count == 32 && key.salt.count >= 16 && !key.subject.isEmpty) }
    append(to: bytes, keys)
  default: preconditionFailure("one text, two answers")
  }
  return 0
}

private func append(to bytes: [UInt8], _ keys: [APIKeySettings]) {
  let key = APIKeySettings(
    id: "appended-0", subject: "x", salt: [UInt8](repeating: 1, count: 16), hash: [UInt8](repeating: 2, count: 32),
    location: SourceLocation(file: "", line: 1, column: 1))
  for name in ["keys.yaml", "keys.json"] {
    guard let new = try? APIKeyFile.appending(key, to: bytes, named: name) else { continue }
    guard case .decoded(let after) = APIKeyFile.decode(ConfigurationSource(name: name, bytes: new)) else {
      preconditionFailure("lost")
    }
    precondition(after.map(\.id) == keys.map(\.id) + ["appended-0"] && after.map(\.hash).dropLast() == keys.map(\.hash)[...])
  }
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzAPIKeys_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
