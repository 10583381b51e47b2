import Configuration
import Foundation

/// What the admin listener tells of the process: kept by the control thread.
package struct GatewayStatus {
  package var generation: UInt64 = 0
  package var sha256 = ""
  package var loadedAt = Date.now
  package var files: [LoadedFile] = []
  package var isDraining = false
  /// Identity providers that have no keys.
  package var keyless: [String] = []
  /// The errors of the last reload, if it was refused: what is in force is then older than what is on disk.
  package var lastRefusal: (at: Date, errors: [String])?

  var signingKeys: [SigningKeyRow] = []

  package init() {}

  /// Whether the process should get traffic, and if not, why.
  package var unreadiness: String? {
    if generation == 0 { return "no configuration is in force" }
    if isDraining { return "draining" }
    if !keyless.isEmpty { return "no keys of \(keyless.joined(separator: ", "))" }
    return nil
  }

  /// The `/config` document.
  package var json: [UInt8] {
    struct File: Encodable {
      let path: String
      let sha256: String
    }
    struct Refusal: Encodable {
      let at: Date
      let errors: [String]
    }
    struct Document: Encodable {
      let generation: UInt64
      let sha256: String
      let loaded_at: Date
      let files: [File]
      let signing_keys: [SigningKeyRow]
      let last_refusal: Refusal?
    }
    let encoder = JSONEncoder()
    encoder.dateEncodingStrategy = .iso8601
    encoder.outputFormatting = [.prettyPrinted, .withoutEscapingSlashes]
    let document = Document(
      generation: generation, sha256: sha256, loaded_at: loadedAt, files: files.map { File(path: $0.path, sha256: $0.sha256) },
      signing_keys: signingKeys,
      last_refusal: lastRefusal.map { Refusal(at: $0.at, errors: $0.errors) })
    return Array((try? encoder.encode(document)) ?? Data()) + [0x0a]
  }
}
