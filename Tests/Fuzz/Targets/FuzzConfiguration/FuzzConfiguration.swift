import Configuration
import FuzzDriver
import Routing

/// Whatever the file holds, the loader answers: with errors that stand inside the file, or with a configuration whose indexes
/// all point somewhere and whose SHA-256 is there; and it answers the same when asked again.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  let lines = bytes.count { $0 == 0x0a || $0 == 0x0d } + bytes.count { $0 == 0x85 || $0 == 0xa8 || $0 == 0xa9 } + 1
  let source = ConfigurationSource(name: "Routes/a.yaml", bytes: bytes)
  let first = ConfigurationLoader.load(files: [source], environment: ["A": "1"])
  switch (first, ConfigurationLoader.load(files: [source], environment: ["A": "1"])) {
  case (.rejected(let diagnostics), .rejected(let again)):
    precondition(!diagnostics.isEmpty && diagnostics == again)
    for diagnostic in diagnostics {
      precondition(diagnostic.location.line >= 1 && diagnostic.location.line <= lines + 1 && diagnostic.location.column >= 1)
      precondition(diagnostic.location.file == "Routes/a.yaml" && !diagnostic.message.isEmpty)
    }
  case (.loaded(let loaded), .loaded(let again)):
    let configuration = loaded.configuration
    precondition(loaded.sha256.count == 64 && loaded.sha256 == again.sha256 && loaded.files.count == 1)
    precondition(!configuration.listeners.isEmpty && !configuration.routes.isEmpty)
    for route in configuration.routes {
      precondition(route.providers.allSatisfy(configuration.identityProviders.indices.contains))
      precondition(!route.backends.isEmpty)
      precondition(route.backends.allSatisfy { configuration.backends.indices.contains($0.backend) && $0.weight > 0 })
      precondition(route.providers.isEmpty || configuration.internalToken != nil)
    }
  default:
    preconditionFailure("one text, two answers")
  }
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzConfiguration_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
