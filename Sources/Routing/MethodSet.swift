import Bytes
import HTTP

/// The methods a route permits.
package struct MethodSet: Sendable, Equatable {
  /// A bit for each `HTTPMethod`; that of `other` is set when the route names no methods, for it then permits any token.
  package private(set) var mask: UInt16 = 0
  /// Methods named that `HTTPMethod` does not know.
  package private(set) var tokens: Set<[UInt8]> = []
  package let isNamed: Bool

  /// What a route permits that names none. `CONNECT` and `TRACE` must be named.
  package static let unnamed: UInt16 = HTTPMethod.allCases.reduce(0) { mask, method in
    method == .connect || method == .trace ? mask : mask | bit(method)
  }

  /// - Throws: for a name that is no token (RFC 9110 section 5.6.2), is written twice, or is a known method in another case.
  package init(_ names: [String]) throws(PatternError) {
    isNamed = !names.isEmpty
    if !isNamed { mask = Self.unnamed }
    var seen: Set<String> = []
    for name in names {
      guard seen.insert(name.uppercased()).inserted else { throw PatternError("the method `\(name)` is named twice") }
      try add(name)
    }
  }

  private mutating func add(_ name: String) throws(PatternError) {
    if let method = Self.standard(name) {
      mask |= Self.bit(method)
      return
    }
    if HTTPMethod.isMisspelt(Array(name.utf8).span) {
      throw PatternError("methods are case-sensitive: write `\(name.uppercased())`")
    }
    guard !name.isEmpty, name.utf8.allSatisfy({ ASCII.token[Int($0)] != 0 }) else {
      throw PatternError("`\(name)` is no method: write a token such as `GET`")
    }
    tokens.insert(Array(name.utf8))
  }

  private static func standard(_ name: String) -> HTTPMethod? {
    HTTPMethod.allCases.first { $0 != .other && $0.token.description == name }
  }

  @inlinable package static func bit(_ method: HTTPMethod) -> UInt16 { 1 << UInt16(method.rawValue) }

  package func intersects(_ other: MethodSet) -> Bool {
    mask & other.mask != 0 || !tokens.isDisjoint(with: other.tokens)
      || !isNamed && !other.tokens.isEmpty || !other.isNamed && !tokens.isEmpty
  }

  /// Whether each method that both `left` and `right` permit is permitted here.
  func coversIntersection(of left: MethodSet, _ right: MethodSet) -> Bool {
    if left.mask & right.mask & ~mask != 0 { return false }
    if !isNamed { return true }
    let common: Set<[UInt8]>
    switch (left.isNamed, right.isNamed) {
    case (true, true): common = left.tokens.intersection(right.tokens)
    case (true, false): common = left.tokens
    case (false, true): common = right.tokens
    case (false, false): common = []
    }
    return common.isSubset(of: tokens)
  }
}
