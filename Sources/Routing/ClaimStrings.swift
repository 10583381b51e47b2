import JSON

/// The scopes or roles of a token: a list of strings, in whichever of the usual forms it came.
package enum ClaimStrings {
  /// A string of names with one such byte between each two: a space (RFC 8693 section 4.2) unless the issuer is known to differ.
  case separated([UInt8], by: UInt8)
  /// A string that is one name.
  case single([UInt8])
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
      self = .separated(bytes, by: 0x20)
    } else {
      self = Self.array(lookup)
    }
  }

  /// Of the claim at `path`: an array of strings, or a string in the issuer's form.
  package init(rolesOf claims: JSONValue, at path: [UInt8], _ form: StringListForm = .array) {
    let lookup = ClaimLookup(claims, at: path)
    switch (lookup, form) {
    case (.found(.string(let bytes)), .single): self = .single(bytes)
    case (.found(.string(let bytes)), .separated(let separator)): self = .separated(bytes, by: separator)
    default: self = Self.array(lookup)
    }
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
    case .separated(let bytes, let separator):
      // Where no space separates, one may stand beside what does.
      bytes.split(separator: separator, omittingEmptySubsequences: false).contains { part in
        (separator == 0x20 ? part : part.drop { $0 == 0x20 }).elementsEqual(name)
      }
    case .single(let bytes): bytes == name
    case .list(let elements): elements.contains { $0.bytes == name }
    case .none, .misfit: false
    }
  }
}
