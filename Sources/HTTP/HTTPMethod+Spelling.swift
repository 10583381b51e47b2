import Bytes

extension HTTPMethod {
  /// Whether `token` is a method that the gateway or a framework knows, but for the case of its letters.
  ///
  /// Methods are case-sensitive (RFC 9110 section 9.1), and yet many frameworks read `delete` as `DELETE`: a rule for one would be
  /// passed by writing the other. What is known: IANA's registry of methods, QUERY, and those of caches and UPnP.
  package static func isMisspelt(_ token: Span<UInt8>) -> Bool {
    var hasLowerCase = false
    for index in token.indices where token[index] &- 0x61 < 26 { hasLowerCase = true }
    return hasLowerCase && isKnownIgnoringCase(token)
  }

  private static func isKnownIgnoringCase(_ token: Span<UInt8>) -> Bool {
    func isOne(of names: StaticString...) -> Bool {
      for name in names where token.equalsIgnoringCase(name) { return true }
      return false
    }
    return switch token.count {
    case 3: isOne(of: "get", "put", "acl", "pri")
    case 4: isOne(of: "post", "head", "copy", "move", "lock", "link", "bind")
    case 5: isOne(of: "patch", "trace", "query", "merge", "label", "mkcol", "purge")
    case 6:
      isOne(
        of: "delete", "unlock", "unlink", "unbind", "rebind", "report", "search", "update", "notify", "source")
    case 7: isOne(of: "options", "connect", "checkin")
    case 8: isOne(of: "propfind", "checkout", "m-search")
    case 9: isOne(of: "proppatch", "subscribe")
    case 10: isOne(of: "orderpatch", "uncheckout", "mkactivity", "mkcalendar")
    case 11: isOne(of: "mkworkspace", "unsubscribe")
    case 13: isOne(of: "mkredirectref")
    case 15: isOne(of: "version-control")
    case 16: isOne(of: "baseline-control")
    case 17: isOne(of: "updateredirectref")
    default: false
    }
  }
}
