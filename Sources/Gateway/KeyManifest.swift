import Configuration
import JSON
import Tokens

/// The keys of a key directory and their times: `manifest.json`. All that two gateways, or one before and after a restart, have to
/// agree on stands here. Seconds since 1970.
struct KeyManifest: Equatable {
  struct Entry: Equatable {
    var kid: String
    var algorithm: JOSEAlgorithm
    /// A name in the directory.
    var file: String
    var createdAt: Int64
    /// When a gateway first published it; nil before.
    var publishedAt: Int64?
    /// From when it signs; nil until it is published.
    var signsFrom: Int64?
    /// Seconds that the longest of its tokens lives.
    var tokenLife: Int64
  }

  /// In the order they were made.
  var entries: [Entry] = []

  /// Seconds until every gateway that shares the directory has seen a change: each looks once a second.
  static let settling: Int64 = 2

  /// A gateway publishes these keys and has tokens that live for `tokenLife`. True when that is news.
  mutating func published(_ kids: Set<String>, publishAhead: Int64, tokenLife: Int64, now: Int64) -> Bool {
    let before = self
    for index in entries.indices where kids.contains(entries[index].kid) {
      entries[index].tokenLife = max(entries[index].tokenLife, tokenLife)
      let since = entries[index].publishedAt ?? now
      entries[index].publishedAt = since
      if entries[index].signsFrom == nil { entries[index].signsFrom = since + publishAhead + Self.settling }
    }
    return self != before
  }

  /// - Parameter tokenLife: of the configuration; the longer counts.
  func schedule(tokenLife: Int64, uses: [JOSEAlgorithm?]) -> KeySchedule {
    KeySchedule(
      keys: entries.map {
        KeySchedule.Key(
          kid: $0.kid, algorithm: $0.algorithm, signsFrom: $0.signsFrom, tokenLife: max($0.tokenLife, tokenLife), leaves: true)
      }, uses: uses)
  }

  // MARK: As JSON

  /// - Throws: what is wrong with it.
  init(_ bytes: [UInt8]) throws(KeySetError) {
    let document: JSONValue
    do { document = try JSONParser.parse(bytes, limits: .keySet) } catch { throw KeySetError("it is no JSON: \(error)") }
    guard let elements = document.member("keys")?.elements else { throw KeySetError("it has no list `keys`") }
    for element in elements {
      let entry = try Self.entry(element)
      guard !entries.contains(where: { $0.kid == entry.kid }) else {
        throw KeySetError("the kid \"\(entry.kid)\" is there twice")
      }
      entries.append(entry)
    }
  }

  init() {}

  private static func entry(_ element: JSONValue) throws(KeySetError) -> Entry {
    guard let kid = element.member("kid")?.text, !kid.isEmpty else { throw KeySetError("a key has no `kid`") }
    guard let algorithm = element.member("algorithm")?.text.flatMap({ JOSEAlgorithm($0) }),
      algorithm == .es256 || algorithm == .edDSA
    else { throw KeySetError("the key \"\(kid)\" has no `algorithm` that is ES256 or EdDSA") }
    guard let file = element.member("file")?.text, !file.isEmpty, !file.contains("/"), !file.hasPrefix(".") else {
      throw KeySetError("the key \"\(kid)\" has no `file` in the directory")
    }
    func time(_ name: String) throws(KeySetError) -> Int64? {
      switch element.member(name) {
      case nil, .null?: return nil
      case .string(let text)?:
        if let time = UTCTime.parse(String(decoding: text, as: UTF8.self)) { return time }
        fallthrough
      default: throw KeySetError("`\(name)` of the key \"\(kid)\" is no time such as 2026-11-25T03:00:00Z")
      }
    }
    guard let created = try time("created_at") else { throw KeySetError("the key \"\(kid)\" has no `created_at`") }
    guard case .integer(let life)? = element.member("token_life_seconds"), (0...10_000_000).contains(life) else {
      throw KeySetError("the key \"\(kid)\" has no `token_life_seconds`")
    }
    return Entry(
      kid: kid, algorithm: algorithm, file: file, createdAt: created, publishedAt: try time("published_at"),
      signsFrom: try time("signs_from"), tokenLife: life)
  }

  /// One key a line, for people to read.
  var json: [UInt8] {
    let rows = entries.map { entry -> String in
      func time(_ time: Int64?) -> JSONValue { time.map { JSONValue(text: UTCTime.text($0)) } ?? .null }
      let row = JSONValue.object([
        JSONMember("kid", JSONValue(text: entry.kid)), JSONMember("algorithm", JSONValue(text: entry.algorithm.name.description)),
        JSONMember("file", JSONValue(text: entry.file)), JSONMember("created_at", time(entry.createdAt)),
        JSONMember("published_at", time(entry.publishedAt)), JSONMember("signs_from", time(entry.signsFrom)),
        JSONMember("token_life_seconds", .integer(entry.tokenLife)),
      ])
      return "  " + String(decoding: JSONWriter.bytes(row), as: UTF8.self)
    }
    return Array("{\"keys\":[\n\(rows.joined(separator: ",\n"))\n]}\n".utf8)
  }
}
