import ArgumentParser
import Development
import Tokens

struct KeysCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "Make signing keys, and the key sets that publish them.",
    subcommands: [New.self, JWKS.self, Rotate.self, Status.self])

  struct New: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "new", abstract: "Make a private key, in PEM.",
      discussion: "Internal tokens are signed with ES256 or EdDSA; the other kinds serve development identity providers.")

    @Option(help: "ES256, ES384, EdDSA, RS256 (2048 bits) or RS256-3072.")
    var algorithm = "ES256"
    @Option(help: "The file to write, readable by its owner alone; never overwritten. Standard output by default.")
    var out: String?

    func run() throws {
      guard let kind = KeyGeneration.Kind.allCases.first(where: { $0.rawValue.lowercased() == algorithm.lowercased() }) else {
        throw ValidationError(
          "no algorithm \(algorithm); it is one of \(KeyGeneration.Kind.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      let pem = try KeyGeneration.makePEM(kind)
      guard let out else {
        print(String(decoding: pem, as: UTF8.self), terminator: "")
        return
      }
      try TextFile.write(pem, to: out, mode: 0o600)
      print("made \(out) (\(kind.rawValue))")
    }
  }

  struct JWKS: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "jwks", abstract: "Print the public JWK Set of PEM keys, private or public.")

    @Option(help: "A PEM file; may be repeated.") var key: [String]
    @Option(help: "The `kid` of each key, in the same order; by default the key's RFC 7638 thumbprint.") var kid: [String] = []
    @Option(help: "The `alg` of each key, in the same order; by default what the key is usually used with.")
    var algorithm: [String] = []

    func validate() throws {
      if key.isEmpty { throw ValidationError("name at least one --key") }
      if kid.count > key.count || algorithm.count > key.count { throw ValidationError("more --kid or --algorithm than --key") }
    }

    func run() throws {
      var keys: [(pem: [UInt8], kid: String?, algorithm: JOSEAlgorithm?)] = []
      for (index, path) in key.enumerated() {
        let algorithm = try index < algorithm.count ? JOSEAlgorithm.parse(algorithm[index]) : nil
        keys.append((try TextFile.read(path), index < kid.count ? kid[index] : nil, algorithm))
      }
      print(String(decoding: try JWKSFile.make(keys), as: UTF8.self))
    }
  }
}

extension JOSEAlgorithm {
  /// A name on the command line.
  static func parse(_ text: String) throws -> JOSEAlgorithm {
    guard let algorithm = JOSEAlgorithm(name: Array(text.utf8)) else { throw ValidationError("no algorithm \(text)") }
    return algorithm
  }
}
