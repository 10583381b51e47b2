import Bytes
import HTTP

/// A place in a request where an access token may stand.
package enum TokenSource: Sendable, Equatable {
  /// `Authorization: Bearer …` (RFC 6750 section 2.1), the usual one.
  case bearer
  /// `Authorization: DPoP …` (RFC 9449 section 7.1).
  case dpop
  /// Any other field, in any spelling; its name as `FieldName.canonical` has it, the scheme in lower case. Without a scheme the whole value is the token.
  case field(name: [UInt8], scheme: [UInt8]?)
  case cookie(name: [UInt8])
  /// The element behind `marker` in the list of subprotocols that a WebSocket's client offers: browsers can set no other field.
  case subprotocol(marker: [UInt8])
  /// A parameter of the query (RFC 6750 section 2.3): for links that a browser follows, since it stands in histories and logs.
  case query(name: [UInt8])
}

/// What one place holds.
enum TokenFinding: Equatable {
  case found(ByteRange)
  case missing
  /// Two tokens, and no rule to say which one counts.
  case ambiguous
}

extension TokenSource {
  /// The fields of their own among `sources`.
  package static func fieldNames(_ sources: [TokenSource]) -> FieldNameSet {
    FieldNameSet(sources.compactMap { if case .field(let name, _) = $0 { name } else { nil } })
  }

  /// Looks in this place.
  func find(_ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>, query: ByteRange) -> TokenFinding {
    switch self {
    case .bearer: Self.authorization("bearer", fields, bytes)
    case .dpop: Self.authorization("dpop", fields, bytes)
    case .field(let name, let scheme): Self.field(name, scheme, fields, bytes)
    case .cookie(let name): Self.cookie(name, fields, bytes)
    case .subprotocol(let marker): Self.subprotocol(marker, fields, bytes)
    case .query(let name): QueryParameters.search(name, query, bytes)
    }
  }

  private static func authorization(
    _ scheme: StaticString, _ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> TokenFinding {
    guard let index = fields.first(.authorization) else { return .missing }
    guard fields.first(.authorization, from: index + 1) == nil else { return .ambiguous }
    return afterScheme(fields[index].value, scheme, bytes)
  }

  /// What follows `scheme` and one or more spaces; another scheme is no token of ours.
  private static func afterScheme(
    _ value: ByteRange, _ scheme: StaticString, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> TokenFinding {
    let length = scheme.utf8CodeUnitCount
    guard value.length >= length,
      ASCII.equalIgnoringCase(UnsafeBufferPointer(rebasing: bytes[value.start..<(value.start + length)]), scheme)
    else { return .missing }
    return afterSpaces(value, length, bytes)
  }

  private static func afterSpaces(
    _ value: ByteRange, _ length: Int, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> TokenFinding {
    var start = value.start + length
    // "Bearer" alone is a token that is empty, which the verifier calls malformed; "Bearerx" is another scheme.
    guard start == value.end || bytes[start] == 0x20 else { return .missing }
    while start < value.end, bytes[start] == 0x20 { start += 1 }
    return .found(ByteRange(offset: start, count: value.end - start))
  }

  private static func field(
    _ name: [UInt8], _ scheme: [UInt8]?, _ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> TokenFinding {
    var found: ByteRange?
    var index = 0
    while index < fields.count {
      let field = fields[index]
      index += 1
      guard FieldName.isSame(UnsafeBufferPointer(rebasing: bytes[field.name.bounds]).span, name) else { continue }
      guard found == nil else { return .ambiguous }
      found = field.value
    }
    guard let value = found else { return .missing }
    guard let scheme else { return .found(value) }
    guard value.length >= scheme.count else { return .missing }
    for offset in 0..<scheme.count where ASCII.lower(bytes[value.start + offset]) != scheme[offset] { return .missing }
    return afterSpaces(value, scheme.count, bytes)
  }

  private static func cookie(
    _ name: [UInt8], _ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> TokenFinding {
    var found: ByteRange?
    var next = fields.first(.cookie)
    while let index = next {
      var crumbs = CookieCrumbs(fields[index].value)
      while let crumb = crumbs.next(bytes) {
        guard crumb.hasName(name, bytes) else { continue }
        if let found, !equal(found, crumb.value, bytes) { return .ambiguous }
        found = crumb.value
      }
      next = fields.first(.cookie, from: index + 1)
    }
    guard let found else { return .missing }
    return .found(found)
  }

  private static func subprotocol(
    _ marker: [UInt8], _ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> TokenFinding {
    var list = Subprotocols(fields)
    var result = TokenFinding.missing
    while let element = list.next(fields, bytes) {
      guard Subprotocols.isMarker(element, marker, bytes) else { continue }
      guard case .missing = result else { return .ambiguous }
      // A marker with nothing behind it is a token that is empty.
      result = .found(list.next(fields, bytes) ?? ByteRange(offset: element.end, count: 0))
    }
    return list.isMalformed ? .ambiguous : result
  }

  static func equal(_ left: ByteRange, _ right: ByteRange, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    guard left.length == right.length else { return false }
    var index = 0
    while index < left.length {
      if bytes[left.start &+ index] != bytes[right.start &+ index] { return false }
      index &+= 1
    }
    return true
  }
}
