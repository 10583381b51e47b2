import Bytes

/// Fields that no standard gives to clients, and that servers and frameworks believe because a proxy in front of them is taken to have
/// written them: where a request came from, who sent it, and even what it asks for.
extension FieldName {
  /// Whether it is worth looking: a bit for each first letter of a name below, and `s` for `script-name` and `ssl-client-` alone, since
  /// browsers send many a `sec-`.
  @inline(__always)
  static func mayBeBelieved(_ name: Span<UInt8>) -> Bool {
    let letter = (name[0] | 0x20) &- UInt8(ascii: "a")
    if letter < 26, 0x00ca_8024 >> UInt32(letter) & 1 != 0 { return true }
    return letter == 18 && (name.count == 11 || name[1] | 0x20 == UInt8(ascii: "s"))
  }

  /// `overriding`, `believed`, or `lookAlike` for a spelling that becomes one of them; else `other`.
  @inline(never)
  static func believed(_ name: Span<UInt8>) -> FieldName {
    let kind: FieldName = isOverriding(name) ? .overriding : isBelieved(name) ? .believed : .other
    if kind == .other { return .other }
    return NameScan.firstOther(name, from: 0, to: name.count) == name.count ? kind : .lookAlike
  }

  /// What makes of a request another one than the routes have decided about: another path, method or host. From nobody, not even from
  /// a trusted proxy, which seldom removes what clients send of these.
  private static func isOverriding(_ name: Span<UInt8>) -> Bool {
    switch name.count {
    // RFC 3875 has it become HTTP_PROXY, which libraries take for the proxy that they should use themselves.
    case 5: name.foldsOntoFieldName("proxy")
    case 6: name.foldsOntoFieldName("x-host")
    case 9: name.foldsOntoFieldName("path-info")
    case 11: name.foldsOntoFieldName("script-name")
    case 13: isOne(name, "x-rewrite-url", "x-http-method", "x-script-name")
    case 15: isOne(name, "x-sendfile-type", "x-accel-mapping") || begins(name, "x-original-")
    case 17: name.foldsOntoFieldName("x-method-override") || begins(name, "x-original-")
    case 20: name.foldsOntoFieldName("x-http-host-override") || begins(name, "x-original-")
    case 22: name.foldsOntoFieldName("x-http-method-override") || begins(name, "x-original-")
    case 23: name.foldsOntoFieldName("x-middleware-subrequest") || begins(name, "x-original-")
    default: begins(name, "x-original-")
    }
  }

  /// Who the client is, and how it came: for proxies that are trusted to say.
  private static func isBelieved(_ name: Span<UInt8>) -> Bool {
    let isOne =
      switch name.count {
      case 8: name.foldsOntoFieldName("x-scheme")
      case 9: isOne(name, "client-ip", "x-user-ip", "x-arr-ssl")
      case 11:
        isOne(
          name, "x-forwarded", "x-client-ip", "x-source-ip", "client-cert", "x-client-dn", "remote-user", "remote-addr",
          "x-real-port")
      case 12: isOne(name, "x-url-scheme", "x-real-proto", "wl-proxy-ssl")
      case 13: isOne(name, "x-client-cert", "fly-client-ip")
      case 14: isOne(name, "true-client-ip", "x-proxyuser-ip", "x-webauth-user")
      case 15: isOne(name, "x-client-verify", "proxy-client-ip", "front-end-https")
      case 16:
        isOne(
          name, "cf-connecting-ip", "fastly-client-ip", "x-originating-ip", "x-azure-clientip", "x-azure-socketip",
          "x-arr-clientcert")
      case 17: name.foldsOntoFieldName("client-cert-chain")
      case 18: isOne(name, "cf-connecting-ipv6", "wl-proxy-client-ip")
      case 19: isOne(name, "x-cluster-client-ip", "x-appengine-user-ip")
      default: false
      }
    return isOne || begins(name, "x-forwarded-") || begins(name, "x-ssl-") || begins(name, "x-remote-")
      || begins(name, "x-envoy-")
      || begins(name, "x-auth-request-") || begins(name, "ssl-client-")
  }

  private static func isOne(_ name: Span<UInt8>, _ names: StaticString...) -> Bool {
    for known in names where name.foldsOntoFieldName(known) { return true }
    return false
  }

  private static func begins(_ name: Span<UInt8>, _ prefix: StaticString) -> Bool {
    let count = prefix.utf8CodeUnitCount
    return name.count > count && name.extracting(0..<count).foldsOntoFieldName(prefix)
  }
}
