import Bytes
import HTTP

/// A path pattern, parsed.
///
/// - `/orders` is exact.
/// - `/orders/{id}` has a parameter: one whole segment that is not empty.
/// - `/orders/**` is `/orders` and everything below it, never `/ordersX`. `/**` is every path.
///
/// Requests are matched by their canonical path, so a pattern that is no canonical path itself could never match and is
/// refused. Percent-escapes are compared without regard to the case of their hexadecimal digits (RFC 3986 section
/// 6.2.2.1): a rule on `/caf%C3%A9` also holds for `/caf%c3%a9`.
package struct RoutePattern: Sendable, Hashable, CustomStringConvertible {
  package enum Segment: Sendable, Hashable {
    /// With the hexadecimal digits of escapes in upper case.
    case literal([UInt8])
    case parameter
  }

  /// More segments than this serve nobody, and the bound keeps the depth of a match small.
  package static let maximumSegments = 64

  package let segments: [Segment]
  /// Whether the pattern ends in `/**`.
  package let isPrefix: Bool

  init(segments: [Segment], isPrefix: Bool) {
    self.segments = segments
    self.isPrefix = isPrefix
  }

  /// - Throws: what is wrong, and what to write instead.
  package init(_ text: String) throws(PatternError) {
    var bytes = ArraySlice(text.utf8)
    guard bytes.first == 0x2f else {
      do throws(PatternError) {
        _ = try RoutePattern("/" + text)
      } catch {
        throw PatternError("a path pattern begins with `/`; and \(error.message)")
      }
      throw PatternError("a path pattern begins with `/`: write `/\(text)`")
    }
    guard text.utf8.count <= 8192 else { throw PatternError("the path pattern is longer than 8192 bytes") }
    isPrefix = text.hasSuffix("/**")
    if isPrefix { bytes.removeLast(3) }
    var segments: [Segment] = []
    var names: Set<[UInt8]> = []
    if !bytes.isEmpty {
      for segment in bytes.dropFirst().split(separator: 0x2f, omittingEmptySubsequences: false) {
        segments.append(try Self.segment(Array(segment), names: &names))
      }
      // Only the very last segment may be empty: `/orders/` is a path of its own, `/a//b` never is canonical.
      if segments.dropLast(isPrefix ? 0 : 1).contains(.literal([])) {
        throw PatternError("the path pattern has an empty segment (`//`): write a single `/`")
      }
    }
    guard segments.count <= Self.maximumSegments else {
      throw PatternError("the path pattern has more than \(Self.maximumSegments) segments")
    }
    self.segments = segments
    guard Self.isCanonical(segments) else {
      throw PatternError("no request path is `\(text)`: write the path in the form in which it is matched")
    }
  }

  /// Whether some canonical path matches: the last word on what the checks of single bytes may have missed.
  private static func isCanonical(_ segments: [Segment]) -> Bool {
    var path: [UInt8] = segments.isEmpty ? [0x2f] : []
    for segment in segments {
      path.append(0x2f)
      if case .literal(let bytes) = segment { path += bytes } else { path.append(0x78) }
    }
    var scratch = [UInt8](repeating: 0, count: path.count)
    var output = scratch.mutableSpan
    return CanonicalPath.canonicalise(path.span, PathRules(allowsParameters: true), into: &output) == .unchanged
  }

  /// Whether a segment has a `;`, raw or escaped, as only paths have whose parameters are allowed.
  package var hasParameters: Bool {
    segments.contains { segment in
      guard case .literal(let bytes) = segment else { return false }
      return bytes.contains(0x3b) || bytes.indices.contains { bytes[$0...].starts(with: Array("%3B".utf8)) }
    }
  }

  /// The pattern again, every parameter as `{}`.
  package var description: String {
    var text = ""
    for segment in segments {
      switch segment {
      case .literal(let bytes): text += "/" + String(decoding: bytes, as: UTF8.self)
      case .parameter: text += "/{}"
      }
    }
    return isPrefix ? text + "/**" : text
  }

  private static func segment(_ bytes: [UInt8], names: inout Set<[UInt8]>) throws(PatternError) -> Segment {
    let text = String(decoding: bytes, as: UTF8.self)
    if bytes.contains(0x2a) {
      throw PatternError(
        bytes == [0x2a, 0x2a]
          ? "`**` stands only at the end of a path pattern: write `{name}` for one segment"
          : "`*` is no part of a path pattern: write `{name}` for one segment, or end with `/**`")
    }
    if bytes.contains(0x7b) || bytes.contains(0x7d) {
      guard bytes.count > 2, bytes.first == 0x7b, bytes.last == 0x7d, bytes.dropFirst().dropLast().allSatisfy(isNameByte)
      else {
        throw PatternError(
          "`\(text)` is no parameter: write `{name}`, of letters, digits and `_`, as a whole segment")
      }
      guard names.insert(bytes).inserted else { throw PatternError("the parameter `\(text)` is named twice") }
      return .parameter
    }
    if bytes == [0x2e] || bytes == [0x2e, 0x2e] {
      throw PatternError("a path pattern has no dot segments: leave `\(text)` out")
    }
    return .literal(try canonicalLiteral(bytes))
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte == 0x5f || byte &- 0x30 < 10 || ASCII.lower(byte) &- 0x61 < 26
  }

  /// The segment as it stands in a canonical path.
  private static func canonicalLiteral(_ bytes: [UInt8]) throws(PatternError) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case 0x25:
        guard index + 2 < bytes.count, let high = hexadecimal(bytes[index + 1]), let low = hexadecimal(bytes[index + 2])
        else { throw PatternError("`%` begins an escape of two hexadecimal digits: write `%25` for a percent sign") }
        let value = high << 4 | low
        if isUnreserved(value) {
          let character = Character(Unicode.Scalar(value))
          throw PatternError("paths are matched with unreserved bytes unescaped: write `\(character)` for its escape")
        }
        if value < 0x20 || value == 0x7f || value == 0x2f || value == 0x5c {
          throw PatternError("no request path has an escaped control byte, slash or backslash")
        }
        result += [0x25, upper(bytes[index + 1]), upper(bytes[index + 2])]
        index += 3
        continue
      case 0x3f: throw PatternError("a path pattern has no query: leave `?` and what follows out")
      case 0x23: throw PatternError("a path pattern has no fragment: leave `#` and what follows out")
      case 0x5c: throw PatternError("a path pattern has no backslash: write `/`")
      case 0...0x20, 0x7f: throw PatternError("a path pattern has no spaces and no control bytes: write `%20` for a space")
      case 0x80...: throw PatternError("a path pattern is ASCII: write other characters as percent-escapes of their UTF-8 bytes")
      default: break
      }
      result.append(byte)
      index += 1
    }
    // `..;a` is refused in a request (one server reads a dot segment in it, another none), so it can't be asked for.
    if let semicolon = result.firstIndex(of: 0x3b), [[0x2e], [0x2e, 0x2e]].contains(Array(result[..<semicolon])) {
      throw PatternError("a path pattern has no dot segments: leave `\(String(decoding: bytes, as: UTF8.self))` out")
    }
    return result
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    isNameByte(byte) || byte == 0x2d || byte == 0x2e || byte == 0x7e
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }

  private static func upper(_ byte: UInt8) -> UInt8 {
    byte &- 0x61 < 26 ? byte & ~0x20 : byte
  }
}
