import Bytes
import JSON

/// What stands at a claim path such as `realm_access.roles`.
///
/// Member names may hold dots themselves (`https://example.com/roles`), so the longest leading part of the path that is a
/// member is taken, and the rest is looked up inside it: the same reading as `JSONValue.value(at:)`, which cannot tell a claim
/// that is not there from one whose parent is no object. For `not` that is the difference between yes and no.
package enum ClaimLookup {
  case found(JSONValue)
  /// Not there, or null.
  case absent
  /// The path goes on inside something that is no object.
  case misfit

  package init(_ claims: JSONValue, at path: [UInt8]) {
    self = Self.find(claims, path.span)
  }

  private static func find(_ value: JSONValue, _ path: Span<UInt8>) -> ClaimLookup {
    guard case .object(let members) = value else { return .misfit }
    var end = path.count
    while true {
      let name = path.extracting(..<end)
      for member in members where member.isNamed(name) {
        if member.value == .null { return .absent }
        return end == path.count ? .found(member.value) : find(member.value, path.extracting((end + 1)...))
      }
      guard let dot = name.lastIndex(of: 0x2e) else { return .absent }
      end = dot
    }
  }
}
