import ArgumentParser
import Development
import Gateway
import Tokens

extension KeysCommand {
  struct Rotate: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rotate", abstract: "Make the next signing key of a key directory.",
      discussion: """
        For `signing_keys: { directory: … }`. Running gateways publish the new key within a second, sign with it when it has been
        published for `publish_ahead`, and take the old one out when its last token has expired: without a reload, all at the same
        time. Where there is no key yet, the first one is made, and signs at once.
        """)

    @OptionGroup var options: ConfigurationOptions
    @Option(help: "ES256 or EdDSA; by default that of the key that signs.") var algorithm: String?
    @Option(
      name: .customLong("import"), help: "A private key in PEM to take over as the first one, with --kid: the one that signs now."
    )
    var existing: String?
    @Option(help: "The `kid` of the key that is taken over.") var kid: String?
    @Flag(help: "Say what would be done, and change nothing.") var dryRun = false

    func validate() throws {
      if (existing == nil) != (kid == nil) { throw ValidationError("--import and --kid go together") }
    }

    func run() throws {
      let algorithm = try algorithm.map(JOSEAlgorithm.parse)
      if let algorithm, algorithm != .es256, algorithm != .edDSA {
        throw ValidationError("internal tokens are signed with ES256 or EdDSA")
      }
      let key = try existing.map { (pem: try TextFile.read($0), kid: kid ?? "") }
      let rotator = try KeyRotator(path: options.config)
      for line in try rotator.rotate(algorithm: algorithm, existing: key, isRehearsal: dryRun) { print(line) }
    }
  }

  struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "status", abstract: "Say what happens with each key of a key directory, and when.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws { for line in try KeyRotator(path: options.config).status() { print(line) } }
  }
}
