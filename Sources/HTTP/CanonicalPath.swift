import Bytes

/// The one form of a path that is matched, authorised and forwarded.
///
/// - Percent-escapes of unreserved bytes (RFC 3986 section 2.3) are decoded; every other escape stays as it was sent.
/// - Dot segments are removed, escaped dots counting as dots.
/// - Refused, because two readers could differ: bad escapes; `%2f`, `%5c` and a raw backslash; NUL and control bytes, raw
///   or escaped; escapes that no UTF-8 text holds but a careless decoder turns into ASCII (`%c0%af`); bytes from 0x80 up; a
///   fragment; a path that climbs above `/`; a `;` in a segment, raw or escaped, unless parameters are allowed, and on a dot segment even then; an
///   empty segment unless slashes are merged.
/// - Also refused: space, `"`, `<`, `>` and the backtick, which clients escape. `|`, `[`, `]`, `{`, `}` and `^` are no URI bytes
///   either, but browsers and servers send them as they are, and nobody reads structure into them: kept.
///
/// What comes out is never longer than what went in, and canonicalising it again changes nothing. `*` (`OPTIONS *`) is no
/// path: it is refused here, and the caller who serves it looks for it first.
package enum CanonicalPath {
  package enum Result: Equatable, Sendable {
    /// The path is canonical as it stands; nothing was written that matters.
    case unchanged
    /// So many bytes of canonical path were written.
    case rewritten(Int)
    /// Answer `bad_path`.
    case refused
  }

  /// - Parameters:
  ///   - path: without `?` and query.
  ///   - output: room for as many bytes as `path` has.
  package static func canonicalise(
    _ path: Span<UInt8>, _ rules: PathRules, into output: inout MutableSpan<UInt8>
  ) -> Result {
    guard !path.isEmpty, path[0] == UInt8(ascii: "/") else { return .refused }
    if isPlain(path) { return .unchanged }
    guard output.count >= path.count else { return .refused }
    return rewrite(path, rules, into: &output)
  }

  /// The usual case: no escape, no segment that begins with a dot, no empty segment, nothing to refuse.
  private static func isPlain(_ path: Span<UInt8>) -> Bool {
    var segment = -1
    var index = 0
    while true {
      index = NameScan.firstOther(path, from: index, to: path.count)
      guard index < path.count else { return true }
      let byte = path[index]
      guard isKept(byte), byte != UInt8(ascii: ";") else { return false }
      let isSlash = byte == UInt8(ascii: "/")
      if index == segment, isSlash || byte == UInt8(ascii: ".") { return false }
      index &+= 1
      if isSlash { segment = index }
    }
  }

  private static func rewrite(
    _ path: Span<UInt8>, _ rules: PathRules, into output: inout MutableSpan<UInt8>
  ) -> Result {
    // `output[..<written]` is canonical and ends with a slash whenever a segment begins.
    output[0] = UInt8(ascii: "/")
    var written = 1
    var read = 1
    var changed = false
    while read < path.count {
      let segment = written
      while read < path.count, path[read] != UInt8(ascii: "/") {
        let byte = path[read]
        if byte == UInt8(ascii: "%") {
          guard let value = escaped(path, at: read), value != UInt8(ascii: ";") || rules.allowsParameters else { return .refused }
          if isUnreserved(value) {
            output[written] = value
            written += 1
            changed = true
          } else {
            for offset in 0..<3 { output[written + offset] = path[read + offset] }
            written += 3
          }
          read += 3
        } else {
          guard isKept(byte), byte != UInt8(ascii: ";") || rules.allowsParameters else { return .refused }
          output[written] = byte
          written += 1
          read += 1
        }
      }
      let endsWithSlash = read < path.count
      read += 1

      switch kind(output.span.extracting(segment..<written)) {
      case .ordinary:
        if endsWithSlash {
          output[written] = UInt8(ascii: "/")
          written += 1
        }
      case .empty:
        // Without a slash behind it this is the end of `/a/`, not an empty segment.
        guard endsWithSlash else { break }
        guard rules.mergesSlashes else { return .refused }
        changed = true
      case .current:
        written = segment
        changed = true
      case .parent:
        guard segment > 1 else { return .refused }
        written = segment - 1
        while output[written - 1] != UInt8(ascii: "/") { written -= 1 }
        changed = true
      case .ambiguous:
        return .refused
      }
    }
    return changed ? .rewritten(written) : .unchanged
  }

  private enum SegmentKind { case ordinary, empty, current, parent, ambiguous }

  /// What a segment is once its unreserved escapes are decoded. `..;x` climbs for servers that cut parameters off before they
  /// look for dots, and `..%3bx` for those that decode first.
  private static func kind(_ segment: Span<UInt8>) -> SegmentKind {
    guard !segment.isEmpty else { return .empty }
    guard segment[0] == UInt8(ascii: ".") else { return .ordinary }
    let dots = segment.count > 1 && segment[1] == UInt8(ascii: ".") ? 2 : 1
    if segment.count == dots { return dots == 1 ? .current : .parent }
    if segment[dots] == UInt8(ascii: ";") { return .ambiguous }
    if segment.count >= dots + 3, segment[dots] == UInt8(ascii: "%"), segment[dots + 1] == UInt8(ascii: "3"),
      segment[dots + 2] | 0x20 == UInt8(ascii: "b")
    {
      return .ambiguous
    }
    return .ordinary
  }

  /// The byte that the escape at `index` stands for; nil when it is no escape or one that is refused.
  private static func escaped(_ path: Span<UInt8>, at index: Int) -> UInt8? {
    guard let value = hexPair(path, at: index + 1) else { return nil }
    switch value {
    case 0x00...0x1f, 0x7f, UInt8(ascii: "/"), UInt8(ascii: "\\"):
      return nil
    case 0xc0, 0xc1:
      return nil
    case 0xe0, 0xf0:
      // An overlong form of a shorter character, if what follows is too small (RFC 3629 section 4).
      guard index + 3 < path.count, path[index + 3] == UInt8(ascii: "%"), let next = hexPair(path, at: index + 4) else {
        return value
      }
      return next >= 0x80 && next < (value == 0xe0 ? 0xa0 : 0x90) ? nil : value
    default:
      return value
    }
  }

  private static func hexPair(_ path: Span<UInt8>, at index: Int) -> UInt8? {
    guard index + 1 < path.count, let high = hexDigit(path[index]), let low = hexDigit(path[index + 1]) else { return nil }
    return high << 4 | low
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: return byte - 0x30
    case 0x41...0x46: return byte - 0x37
    case 0x61...0x66: return byte - 0x57
    default: return nil
    }
  }

  /// RFC 3986 section 2.3.
  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: return true
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): return true
    default: return false
    }
  }

  /// Whether a raw byte stays as it is: `/`, pchar (RFC 3986 section 3.3) without `%`, and `|[]{}^`.
  ///
  /// Two words of bits. The first: `!$&'()*+,-./`, digits, `:;=`. The second: `@`, letters, `[]^_{|}~`.
  private static func isKept(_ byte: UInt8) -> Bool {
    guard byte < 128 else { return false }
    let bits: UInt64 = byte < 64 ? 0x2fff_ffd2_0000_0000 : 0x7fff_fffe_efff_ffff
    return (bits >> UInt64(byte & 63)) & 1 != 0
  }
}
