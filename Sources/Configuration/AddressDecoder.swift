import HTTP

/// Addresses and networks as operators write them.
enum AddressDecoder {
  /// `HOST:PORT`, with an IPv6 address in brackets; `unix:PATH` where `allowsUnix`.
  static func decode(_ cursor: Cursor, ports: ClosedRange<Int>, allowsUnix: Bool = false) -> Located<SocketAddressSettings>? {
    guard let text = cursor.text() else { return nil }
    if text.hasPrefix("unix:") {
      guard allowsUnix else {
        cursor.report("a Unix socket does not serve here: write `HOST:PORT`")
        return nil
      }
      let name = String(text.dropFirst(5))
      let directory = cursor.file.source.directory
      let path = name.isEmpty || name.hasPrefix("/") || directory == "." ? name : "\(directory)/\(name)"
      // sun_path holds 108 bytes with its NUL.
      guard !path.isEmpty, path.utf8.count < 108 else {
        cursor.report("a Unix socket's path has 1 to 107 bytes: write `unix:PATH`")
        return nil
      }
      return Located(.unix(path: path), at: cursor.location)
    }
    if let scheme = text.range(of: "://") {
      let rest = text[scheme.upperBound...].prefix { $0 != "/" }
      let example = rest.isEmpty ? "HOST:PORT" : rest.last == "]" || !rest.contains(":") ? "\(rest):PORT" : String(rest)
      cursor.report("`\(text)` is a URL: an address has no scheme and no path, write `\(example)`")
      return nil
    }
    // `::1:8443` may be both: there the part before the last colon is taken for the address.
    if isIPv6(text), !isIPv6(text[..<(text.lastIndex(of: ":") ?? text.startIndex)]) {
      cursor.report("an IPv6 address stands in brackets: write `[\(text)]:PORT`")
      return nil
    }
    if text.hasPrefix("["), !text.contains("]") {
      cursor.report("`\(text)` has no closing bracket: write `[ADDRESS]:PORT`, as in `[::1]:8443`")
      return nil
    }
    guard let colon = text.lastIndex(of: ":"), text.last != "]" else {
      cursor.report("`\(text)` has no port: write `\(text.last == "]" ? text : "HOST"):PORT`")
      return nil
    }
    let digits = text[text.index(after: colon)...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let port = Int(digits), ports.contains(port) else {
      cursor.report("`\(digits)` is no port: write a number from \(ports.lowerBound) to \(ports.upperBound)")
      return nil
    }
    guard let host = host(String(text[..<colon]), cursor) else { return nil }
    return Located(.tcp(host: host, port: UInt16(port)), at: cursor.location)
  }

  private static func isIPv6(_ text: some StringProtocol) -> Bool { IPAddressText.octets6(Array(text.utf8).span) != nil }

  private static func host(_ text: String, _ cursor: Cursor) -> String? {
    if text.hasPrefix("["), text.hasSuffix("]") {
      let address = String(text.dropFirst().dropLast())
      if IPAddressText.octets6(Array(address.utf8).span) != nil { return address }
      cursor.report("`\(address)` is no IPv6 address")
      return nil
    }
    if text.contains(":") {
      cursor.report("an IPv6 address stands in brackets: write `[\(text)]:PORT`")
      return nil
    }
    if text.isEmpty || text == "*" {
      cursor.report("the host is missing: write `0.0.0.0:PORT` for all addresses")
      return nil
    }
    let isDotted = text.utf8.allSatisfy { $0 &- 0x30 < 10 || $0 == 0x2e }
    let isName = text.utf8.allSatisfy { $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 || [0x2d, 0x2e, 0x5f].contains($0) }
    let hasEmptyLabel = text.split(separator: ".", omittingEmptySubsequences: false).dropLast(text.hasSuffix(".") ? 1 : 0)
      .contains(where: \.isEmpty)
    guard isDotted ? IPAddressText.octets4(Array(text.utf8).span) != nil : isName && !hasEmptyLabel && text.utf8.count <= 254
    else {
      cursor.report("`\(text)` is neither a host name nor an IP address")
      return nil
    }
    return text
  }

  /// `10.0.0.0/8`, `2001:db8::/32`, an address alone, or `unix` for whoever connects to a Unix socket.
  static func network(_ cursor: Cursor) -> IPNetwork? {
    guard let text = cursor.text() else { return nil }
    if text == "unix" { return IPNetwork(bytes: [UInt8](repeating: 0, count: 16), prefixLength: 128) }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let address = String(parts[0])
    var bytes: [UInt8]
    let base: Int
    if let v4 = IPAddressText.octets4(Array(address.utf8).span) {
      bytes = [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + v4
      base = 96
    } else if let v6 = IPAddressText.octets6(Array(address.utf8).span) {
      bytes = v6
      base = 0
    } else {
      cursor.report("`\(text)` is no network: write it as in `10.0.0.0/8` or `2001:db8::/32`")
      return nil
    }
    var length = 128
    if parts.count > 1 {
      guard parts.count == 2, parts[1].utf8.allSatisfy({ $0 &- 0x30 < 10 }), let number = Int(parts[1]), number <= 128 - base
      else {
        cursor.report("`\(text)` has no valid prefix length: write a number from 0 to \(128 - base) after the `/`")
        return nil
      }
      length = base + number
    }
    for bit in length..<128 where bytes[bit / 8] & (0x80 >> UInt8(bit % 8)) != 0 {
      cursor.report("`\(text)` has bits set beyond its prefix length: write the network's own address, or `/\(128 - base)`")
      return nil
    }
    return IPNetwork(bytes: bytes, prefixLength: length)
  }

  static func isLiteral(_ host: String) -> Bool {
    let bytes = Array(host.utf8)
    return IPAddressText.octets4(bytes.span) != nil || IPAddressText.octets6(bytes.span) != nil
  }
}
