import JSON

/// The scopes or roles of a token: a list of strings, in whichever of the usual forms it came.
package enum ClaimStrings {
  /// A string of names with single spaces between them (RFC 8693 section 4.2).
  case spaced([UInt8])
  /// An array, all of strings.
  case list([JSONValue])
  case none
  /// Neither: nothing can be said about what it holds.
  case misfit

  /// Of `scope`, or where there is none of `scp`: a string or an array of strings.
  package init(scopesOf claims: JSONValue) {
    var lookup = ClaimLookup.absent
    for name: StaticString in ["scope", "scp"] {
      if let value = claims.member(name), value != .null {
        lookup = .found(value)
        break
      }
    }
    if case .found(.string(let bytes)) = lookup {
      self = .spaced(bytes)
    } else {
      self = Self.array(lookup)
    }
  }

  /// Of the claim at `path`: an array of strings.
  package init(rolesOf claims: JSONValue, at path: [UInt8]) {
    self = Self.array(ClaimLookup(claims, at: path))
  }

  private static func array(_ lookup: ClaimLookup) -> ClaimStrings {
    switch lookup {
    case .absent: return .none
    case .found(.array(let elements)): return elements.allSatisfy { $0.bytes != nil } ? .list(elements) : .misfit
    case .found, .misfit: return .misfit
    }
  }

  package func contains(_ name: [UInt8]) -> Bool {
    switch self {
    case .spaced(let bytes):
      bytes.split(separator: 0x20, omittingEmptySubsequences: false).contains { $0.elementsEqual(name) }
    case .list(let elements): elements.contains { $0.bytes == name }
    case .none, .misfit: false
    }
  }
}
