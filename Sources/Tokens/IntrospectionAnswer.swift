import JSON

/// What an introspection endpoint said about a token (RFC 7662 section 2.2).
package enum IntrospectionAnswer: Sendable, Equatable {
  /// The response's members without `active`.
  ///
  /// - Parameter askedAt: seconds since 1970; the answer's age counts from here.
  case active(JSONValue, askedAt: Int64)
  case inactive(askedAt: Int64)
  /// No answer that can be used, or none may be asked for now: nobody knows about the token.
  case unavailable

  /// Bytes of a response that are read at all.
  package static let maximumBytes = 64 << 10

  /// Reads a response of status 200. What is no JSON object with a boolean `active` is no answer.
  package static func parse(_ content: [UInt8], askedAt: Int64) -> IntrospectionAnswer {
    guard content.count <= maximumBytes, let value = try? JSONParser.parse(document: content, limits: .token), let members = value.members,
      case .boolean(let isActive)? = value.member("active")
    else { return .unavailable }
    guard isActive else { return .inactive(askedAt: askedAt) }
    return .active(.object(members.filter { !$0.name.elementsEqual("active".utf8) }), askedAt: askedAt)
  }

  /// Bytes of memory.
  var footprint: Int {
    if case .active(let claims, _) = self { 64 + Footprint.of(claims) } else { 64 }
  }
}
