import Bytes
import JSON

/// One entry of a deny-list: which tokens are no longer good.
package struct Revocation: Sendable, Equatable {
  /// Which of a token's names is denied.
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// One token (RFC 7519 section 4.1.7).
    case jti
    /// All of a user's tokens, or those issued before a time.
    case sub
    /// All tokens of a session (OpenID Connect Front-Channel Logout section 3).
    case sid
    /// All tokens that a key has signed.
    case kid

    var name: StaticString {
      switch self {
      case .jti: "jti"
      case .sub: "sub"
      case .sid: "sid"
      case .kid: "kid"
      }
    }
  }

  package var kind: Kind
  package var value: [UInt8]
  /// The issuer whose tokens are meant; nil means everybody's.
  package var issuer: [UInt8]?
  /// Seconds since 1970: tokens issued at that second or later are good. `Int64.max` denies all.
  package var issuedBefore = Int64.max
  /// Seconds since 1970: until when the entry holds; behind it, what it denies has expired anyway.
  package var until = Int64.max

  package init(_ kind: Kind, _ value: [UInt8], issuer: [UInt8]? = nil, issuedBefore: Int64 = .max, until: Int64 = .max) {
    self.kind = kind
    self.value = value
    self.issuer = issuer
    self.issuedBefore = issuedBefore
    self.until = until
  }

  /// Bytes of one entry's text.
  package static let maximumCount = 4096

  /// A JSON object with exactly one of `jti`, `sub`, `sid` and `kid`, and perhaps `iss`, `issued_before` (with `sub`) and `until`,
  /// both in seconds since 1970.
  ///
  /// - Throws: what is wrong, for people: an entry that is not understood might be the one that counts.
  package init(_ text: Span<UInt8>) throws(RevocationError) {
    guard text.count <= Self.maximumCount else { throw RevocationError("has more than \(Self.maximumCount) bytes") }
    let json: JSONValue
    do throws(JSONError) {
      json = try JSONParser.parse(text, limits: .token)
    } catch {
      throw RevocationError("is no JSON object: \(error.reason.rawValue)", at: error.offset)
    }
    guard let members = json.members else { throw RevocationError("is no JSON object") }
    var named: (kind: Kind, value: [UInt8])?
    var issuer: [UInt8]?
    var issuedBefore: Int64?
    var until: Int64?
    for member in members {
      if let kind = Kind.allCases.first(where: { member.isNamed($0.name) }) {
        guard case .string(let value) = member.value, !value.isEmpty else { throw RevocationError("has a \(kind.name) that is no text") }
        guard named == nil else { throw RevocationError("names several of jti, sub, sid and kid") }
        named = (kind, value)
      } else if member.isNamed("iss") {
        guard case .string(let value) = member.value, !value.isEmpty else { throw RevocationError("has an iss that is no text") }
        issuer = value
      } else if member.isNamed("issued_before") {
        guard let value = member.value.flooredInteger else { throw RevocationError("has an issued_before that is no time in seconds") }
        issuedBefore = value
      } else if member.isNamed("until") {
        guard let value = member.value.flooredInteger else { throw RevocationError("has an until that is no time in seconds") }
        until = value
      } else {
        throw RevocationError("has a member \"\(Self.printable(member.name))\", which means nothing here")
      }
    }
    guard let named else { throw RevocationError("names none of jti, sub, sid and kid") }
    guard issuedBefore == nil || named.kind == .sub else { throw RevocationError("has issued_before, which goes with sub only") }
    self.init(named.kind, named.value, issuer: issuer, issuedBefore: issuedBefore ?? .max, until: until ?? .max)
  }

  package init(_ text: [UInt8]) throws(RevocationError) {
    self = try Revocation(text.span)
  }

  /// What `init` reads as this entry: one line.
  package var text: [UInt8] {
    var members = [JSONMember("\(kind.name)", .string(value))]
    if let issuer { members.append(JSONMember("iss", .string(issuer))) }
    if issuedBefore != .max { members.append(JSONMember("issued_before", .integer(issuedBefore))) }
    if until != .max { members.append(JSONMember("until", .integer(until))) }
    return JSONWriter.bytes(.object(members))
  }

  /// For messages: whoever wrote the entry is not to write the log.
  private static func printable(_ name: [UInt8]) -> String {
    String(decoding: name.prefix(40).map { $0 >= 0x20 && $0 < 0x7f ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }
}

extension JSONMember {
  fileprivate func isNamed(_ text: StaticString) -> Bool { isNamed(text.bytes) }
}

/// Why an entry of a deny-list cannot be used.
package struct RevocationError: Error, Equatable, CustomStringConvertible {
  /// Behind "the entry".
  package let description: String
  /// Bytes from the entry's start.
  package let offset: Int

  package init(_ description: String, at offset: Int = 0) {
    self.description = description
    self.offset = offset
  }
}
