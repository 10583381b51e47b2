import ArgumentParser
import Development
import Foundation
import JSON
import Tokens

struct TokenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Issue development access tokens.", subcommands: [Issue.self])

  struct Issue: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "issue", abstract: "Issue an access token with libjwt, and print it.",
      discussion: """
        gatehouse token issue --key Certs/idp.key --kid development --issuer http://localhost:9000 \\
          --audience api --subject alice --scope 'orders:read' --claim tenant=acme --expires 10m

        A claim's value is read as JSON when it is some (--claim 'roles=["admin"]'), else as text.
        """)

    @Option(help: "The private key, in PEM.") var key = "Certs/idp.key"
    @Option(help: "The header's `kid`.") var kid = DevelopmentPKI.keyID
    @Option(help: "ES256, ES384, ES512, RS256, RS384 or RS512.")
    var algorithm = "ES256"
    @Option(help: "`iss`.") var issuer = "http://localhost:9000"
    @Option(help: "`aud`; may be repeated.") var audience: [String] = []
    @Option(help: "`sub`.") var subject = "alice"
    @Option(help: "`scope`: names separated by spaces.") var scope: String?
    @Option(help: "Any other claim, NAME=VALUE; may be repeated.") var claim: [String] = []
    @Option(parsing: .unconditional, help: "How long it is good for: 90s, 10m, 24h. -10m makes one that expired.")
    var expires = "10m"

    func run() throws {
      let now = Int64(Date().timeIntervalSince1970)
      let audiences = audience.isEmpty ? ["api"] : audience
      var members = [
        JSONMember("iss", JSONValue(text: issuer)), JSONMember("sub", JSONValue(text: subject)),
        JSONMember("aud", audiences.count == 1 ? JSONValue(text: audiences[0]) : .array(audiences.map { JSONValue(text: $0) })),
        JSONMember("iat", .integer(now)), JSONMember("exp", .integer(now + (try Self.seconds(expires)))),
      ]
      if let scope { members.append(JSONMember("scope", JSONValue(text: scope))) }
      for text in claim {
        let member = try Self.member(text)
        members.removeAll { $0.name == member.name }
        members.append(member)
      }
      let token = try DevelopmentToken.issue(
        claims: .object(members), algorithm: .parse(algorithm), pem: TextFile.read(key), kid: kid)
      print(String(decoding: token, as: UTF8.self))
    }

    private static func member(_ text: String) throws -> JSONMember {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else { throw ValidationError("--claim \(text): write NAME=VALUE") }
      let value = (try? JSONParser.parse(Array(parts[1].utf8), limits: .token)) ?? JSONValue(text: String(parts[1]))
      return JSONMember(String(parts[0]), value)
    }

    /// A duration in whole seconds; a sign in front is allowed.
    private static func seconds(_ text: String) throws -> Int64 {
      let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600]
      guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()),
        (-1_000_000...1_000_000).contains(count)
      else {
        throw ValidationError("--expires \(text): write a duration such as 90s, 10m or 24h")
      }
      return count * unit
    }
  }
}
