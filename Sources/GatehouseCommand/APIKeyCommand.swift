import ArgumentParser
import Configuration
import Development
import Foundation
import JSON
import Tokens

struct APIKeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apikey", abstract: "Make API keys for machine clients.", subcommands: [New.self])

  struct New: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "new", abstract: "Make an API key: print it once, and keep its salted hash.",
      discussion: """
        The key goes to standard output and is kept nowhere: whoever is to have it must get it from there. What the gateway needs
        is the entry, which holds a hash of it; without --file it is printed too, to be put under `keys:` in the file that
        `api_keys: { file: FILE }` names. The gateway reads that file when it starts and with each SIGHUP.

        Example:  gatehouse apikey new --sub billing --scope orders:read --expires 90d --file Certs/api-keys.yaml
        """)

    @Option(name: [.customLong("sub"), .customLong("name")], help: "Who gets the key: the `sub` that backends are told.") var sub:
      String
    @Option(help: "The key's id, 8 to 32 small letters, digits and `-`; by default 12 random ones.") var id: String?
    @Option(help: "A scope that the key has; may be repeated.") var scope: [String] = []
    @Option(help: "A role that the key has; may be repeated.") var role: [String] = []
    @Option(
      help:
        "When it ends: days from now (`90d`), a day in UTC (`2027-01-31`) or a time (`2027-01-31T12:00:00Z`). By default never.")
    var expires: String?
    @Option(help: "The file to append the entry to, made if it is missing: JSON if its name ends in `.json`, else YAML.")
    var file: String?

    func validate() throws {
      guard !sub.isEmpty, sub.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
        throw ValidationError("--sub is empty or has control characters")
      }
      if let id, !APIKey.isID(id.utf8) {
        throw ValidationError(
          "\(id) is too weak an id: it has 8 to 32 small letters, digits and `-`, so that no two keys share one")
      }
      for scope in scope where scope.isEmpty || !scope.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c }) {
        throw ValidationError("`\(scope)` is no scope: it has visible ASCII characters but `\"` and `\\`, and no spaces")
      }
      if role.contains("") { throw ValidationError("a role is empty") }
      _ = try end()
    }

    func run() throws {
      let id = id.map { Array($0.utf8) } ?? APIKey.makeID()
      let key = APIKey.make(id: id)
      var claims: [JSONMember] = []
      if !scope.isEmpty { claims.append(JSONMember("scope", JSONValue(text: scope.joined(separator: " ")))) }
      if !role.isEmpty { claims.append(JSONMember("roles", .array(role.map { JSONValue(text: $0) }))) }
      let entry = APIKeySettings(
        id: String(decoding: id, as: UTF8.self), subject: sub, salt: key.salt, hash: key.hash, claims: claims,
        expiresAt: try end(),
        location: SourceLocation(file: file ?? "", line: 1, column: 1))
      let text = String(decoding: key.text, as: UTF8.self)
      guard let file else {
        print("\(text)\n\n# Under `keys:` in the file of API keys:\n\(APIKeyFile.yaml(entry))", terminator: "")
        return
      }
      try Self.append(entry, to: file)
      print(text)
      Terminal.complain("added \(entry.id) to \(file); a running gateway reads it with the next SIGHUP")
    }

    /// Seconds since 1970.
    private func end() throws -> Int64? {
      guard let expires else { return nil }
      let now = Int64(Date().timeIntervalSince1970)
      if expires.hasSuffix("d"), let days = Int64(expires.dropLast()), (1...36_500).contains(days) { return now + days * 86_400 }
      guard let end = APIKeyFile.seconds(expires) else {
        throw ValidationError("`\(expires)` is no time: write `90d`, `2027-01-31` or `2027-01-31T12:00:00Z`")
      }
      guard end > now else { throw ValidationError("\(expires) is over already") }
      return end
    }

    /// A new file beside the old one takes its place at once: whoever reads meanwhile gets the one or the other, whole. The new
    /// file's name is the lock against a second command.
    private static func append(_ entry: APIKeySettings, to path: String) throws {
      let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
      let scratch = target + ".new"
      let exists = FileManager.default.fileExists(atPath: target)
      try TextFile.write([], to: scratch, mode: 0o600)
      do {
        var old: [UInt8]?
        if exists {
          guard let data = FileManager.default.contents(atPath: target) else { throw DevelopmentError("cannot read \(path)") }
          old = Array(data)
        }
        let new: [UInt8]
        do throws(APIKeyFile.LayoutError) {
          new = try APIKeyFile.appending(entry, to: old, named: path)
        } catch {
          throw DevelopmentError(error.message)
        }
        if exists, let mode = try FileManager.default.attributesOfItem(atPath: target)[.posixPermissions] {
          try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: scratch)
        }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: scratch))
        try handle.write(contentsOf: Data(new))
        try handle.synchronize()
        try handle.close()
        guard rename(scratch, target) == 0 else {
          throw DevelopmentError("cannot replace \(path): \(String(cString: strerror(errno)))")
        }
      } catch {
        unlink(scratch)
        throw error
      }
    }
  }
}
