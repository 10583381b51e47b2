import Bytes

extension FieldName {
  /// The field that `name` is, whatever its case and with `_` read as `-`; `other` when it is none of ours.
  ///
  /// Length and one or two bytes leave at most one candidate, so that most names (`accept`, `user-agent` and their
  /// like) are decided without a comparison, and the rest with one.
  package init(recognising name: Span<UInt8>) {
    let candidate = FieldName.candidate(name)
    self = candidate != .other && name.isFieldName(candidate.canonicalName) ? candidate : .other
  }

  @inline(__always)
  private static func candidate(_ name: Span<UInt8>) -> FieldName {
    guard name.count >= 2 else { return .other }
    // Setting bit 5 makes a letter lower case; what it does to other bytes the comparison finds out.
    let first = name[0] | 0x20
    switch name.count {
    case 2: return .te
    case 3: return .via
    case 4:
      if first == UInt8(ascii: "h") { return .host }
      return name[1] | 0x20 == UInt8(ascii: "p") ? .dpop : .date
    case 6:
      switch first {
      case UInt8(ascii: "e"): return .expect
      case UInt8(ascii: "c"): return .cookie
      case UInt8(ascii: "o"): return .origin
      case UInt8(ascii: "s"): return .server
      default: return .other
      }
    case 7: return first == UInt8(ascii: "u") ? .upgrade : first == UInt8(ascii: "t") ? .trailer : .other
    case 8: return first == UInt8(ascii: "l") ? .location : .other
    case 9: return first == UInt8(ascii: "f") ? .forwarded : .xRealIP
    case 10:
      switch first {
      case UInt8(ascii: "c"): return .connection
      case UInt8(ascii: "k"): return .keepAlive
      case UInt8(ascii: "t"): return .tracestate
      case UInt8(ascii: "s"): return .setCookie
      default: return .other
      }
    case 11: return first == UInt8(ascii: "t") ? .traceparent : .retryAfter
    case 12:
      switch first {
      case UInt8(ascii: "x"): return .xRequestID
      case UInt8(ascii: "c"): return .contentType
      case UInt8(ascii: "g"): return .grpcTimeout
      default: return .other
      }
    case 13: return first == UInt8(ascii: "a") ? .authorization : .other
    case 14:
      switch first {
      case UInt8(ascii: "c"): return .contentLength
      case UInt8(ascii: "s"): return .secFetchSite
      case UInt8(ascii: "h"): return .http2Settings
      default: return .other
      }
    case 15: return first == UInt8(ascii: "x") ? .xForwardedFor : .other
    case 16:
      switch first {
      case UInt8(ascii: "x"): return name[12] | 0x20 == UInt8(ascii: "h") ? .xForwardedHost : .xForwardedPort
      case UInt8(ascii: "p"): return .proxyConnection
      case UInt8(ascii: "w"): return .wwwAuthenticate
      default: return .other
      }
    case 17:
      switch first {
      case UInt8(ascii: "t"): return .transferEncoding
      case UInt8(ascii: "x"): return .xForwardedProto
      case UInt8(ascii: "s"): return .secWebSocketKey
      default: return .other
      }
    case 18: return first == UInt8(ascii: "x") ? .xForwardedPrefix : .proxyAuthenticate
    case 19: return first == UInt8(ascii: "p") ? .proxyAuthorization : .other
    case 20: return .secWebSocketAccept
    case 21: return .secWebSocketVersion
    case 22: return .secWebSocketProtocol
    default: return .other
    }
  }
}
