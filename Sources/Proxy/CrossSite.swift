import Bytes
import HTTP

/// Whether a request that only a cookie vouches for comes from a page that may send it: a browser adds the cookie whoever asks it
/// to, and says in fields that no page can forge who did (Fetch Metadata; RFC 6454 section 7).
package enum CrossSite {
  /// - Parameters:
  ///   - authority: of the request, for its own origin.
  ///   - origins: other sites that may.
  /// - Returns: false also when neither field is there: every browser sends one with what may change something.
  package static func allows(
    _ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>, authority: UnsafeBufferPointer<UInt8>, isEncrypted: Bool,
    _ origins: [[UInt8]]
  ) -> Bool {
    let site = only("sec-fetch-site", fields, bytes)
    let origin = only("origin", fields, bytes)
    if site.isRepeated || origin.isRepeated { return false }
    if let origin = origin.value, origins.contains(where: { isSame(origin, $0) }) { return true }
    // `none`: the user, not a page. `same-site` is another host, which has no more right than any other.
    if let site = site.value { return ASCII.equal(site, "same-origin") || ASCII.equal(site, "none") }
    guard let origin = origin.value else { return false }
    return isOwn(origin, authority, isEncrypted)
  }

  private static func isOwn(
    _ origin: UnsafeBufferPointer<UInt8>, _ authority: UnsafeBufferPointer<UInt8>, _ isEncrypted: Bool
  ) -> Bool {
    let scheme: StaticString = isEncrypted ? "https://" : "http://"
    guard origin.count > scheme.utf8CodeUnitCount,
      ASCII.equalIgnoringCase(UnsafeBufferPointer(rebasing: origin[..<scheme.utf8CodeUnitCount]), scheme)
    else { return false }
    let theirs = UnsafeBufferPointer(rebasing: origin[scheme.utf8CodeUnitCount...])
    return isSame(withoutPort(theirs, isEncrypted), withoutPort(authority, isEncrypted))
  }

  /// Without the scheme's own port, which an authority may have and an origin never has (RFC 6454 section 6.2).
  private static func withoutPort(_ authority: UnsafeBufferPointer<UInt8>, _ isEncrypted: Bool) -> UnsafeBufferPointer<UInt8> {
    let port: StaticString = isEncrypted ? ":443" : ":80"
    let count = authority.count - port.utf8CodeUnitCount
    guard count > 0, ASCII.equal(UnsafeBufferPointer(rebasing: authority[count...]), port) else { return authority }
    return UnsafeBufferPointer(rebasing: authority[..<count])
  }

  private static func isSame(_ left: UnsafeBufferPointer<UInt8>, _ right: some Collection<UInt8>) -> Bool {
    left.count == right.count && zip(left, right).allSatisfy { ASCII.lower($0) == ASCII.lower($1) }
  }

  private static func only(
    _ name: StaticString, _ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> (value: UnsafeBufferPointer<UInt8>?, isRepeated: Bool) {
    var value: UnsafeBufferPointer<UInt8>?
    for index in 0..<fields.count {
      let field = fields[index]
      guard ASCII.equalIgnoringCase(UnsafeBufferPointer(rebasing: bytes[field.name.bounds]), name) else { continue }
      if value != nil { return (nil, true) }
      value = UnsafeBufferPointer(rebasing: bytes[field.value.bounds])
    }
    return (value, false)
  }
}
