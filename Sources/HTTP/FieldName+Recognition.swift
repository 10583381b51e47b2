import Bytes

extension FieldName {
  /// The field that `name` is, whatever its case; `lookAlike` when it is none, but would be one for CGI and its like; `other` when it
  /// is none of ours.
  ///
  /// Length and one or two bytes leave at most one candidate, so that most names (`accept`, `user-agent` and their
  /// like) are decided without a comparison, and the rest with one.
  package init(recognising name: Span<UInt8>) {
    let known = FieldName.recognise(name)
    // Those in `recognise` are met with each request, these are not: they stand apart.
    self = known == .other && name.count >= 5 && FieldName.mayBeBelieved(name) ? FieldName.believed(name) : known
  }

  /// `candidate` if `name` is spelt so. Inlined, so that the text to compare with is a few constants: recognising the 11 names
  /// of a request and its response takes 630 instructions instead of 1,030.
  @inline(__always)
  private static func confirm(_ candidate: FieldName, _ name: Span<UInt8>) -> FieldName {
    // Most names that come as far as this are the candidate's own.
    name.isFieldName(candidate.canonicalName) ? candidate : lookAlike(candidate, name)
  }

  /// A name whose letters are all those of `candidate`, and what stands between them is not.
  @inline(never)
  private static func lookAlike(_ candidate: FieldName, _ name: Span<UInt8>) -> FieldName {
    guard name.foldsOntoFieldName(candidate.canonicalName) else { return .other }
    switch candidate {
    // Where the content ends is in doubt: not removed, but refused, which is for those who read these two.
    case .contentLength, .transferEncoding: return candidate
    default: return .lookAlike
    }
  }

  @inline(__always)
  private static func recognise(_ name: Span<UInt8>) -> FieldName {
    guard name.count >= 2 else { return .other }
    // Setting bit 5 makes a letter lower case; what it does to other bytes the comparison finds out.
    let first = name[0] | 0x20
    switch name.count {
    case 2: return confirm(.te, name)
    case 3: return confirm(.via, name)
    case 4:
      if first == UInt8(ascii: "h") { return confirm(.host, name) }
      return name[1] | 0x20 == UInt8(ascii: "p") ? confirm(.dpop, name) : confirm(.date, name)
    case 6:
      switch first {
      case UInt8(ascii: "e"): return confirm(.expect, name)
      case UInt8(ascii: "c"): return confirm(.cookie, name)
      case UInt8(ascii: "o"): return confirm(.origin, name)
      case UInt8(ascii: "s"): return confirm(.server, name)
      default: return .other
      }
    case 7:
      switch first {
      case UInt8(ascii: "u"): return confirm(.upgrade, name)
      case UInt8(ascii: "t"): return confirm(.trailer, name)
      default: return .other
      }
    case 8: return first == UInt8(ascii: "l") ? confirm(.location, name) : .other
    case 9: return first == UInt8(ascii: "f") ? confirm(.forwarded, name) : confirm(.xRealIP, name)
    case 10:
      switch first {
      case UInt8(ascii: "c"): return confirm(.connection, name)
      case UInt8(ascii: "k"): return confirm(.keepAlive, name)
      case UInt8(ascii: "t"): return confirm(.tracestate, name)
      case UInt8(ascii: "s"): return confirm(.setCookie, name)
      default: return .other
      }
    case 11: return first == UInt8(ascii: "t") ? confirm(.traceparent, name) : confirm(.retryAfter, name)
    case 12:
      switch first {
      case UInt8(ascii: "x"): return confirm(.xRequestID, name)
      case UInt8(ascii: "c"): return confirm(.contentType, name)
      case UInt8(ascii: "g"): return confirm(.grpcTimeout, name)
      default: return .other
      }
    case 13: return first == UInt8(ascii: "a") ? confirm(.authorization, name) : .other
    case 14:
      switch first {
      case UInt8(ascii: "c"): return confirm(.contentLength, name)
      case UInt8(ascii: "s"): return confirm(.secFetchSite, name)
      case UInt8(ascii: "h"): return confirm(.http2Settings, name)
      default: return .other
      }
    case 15: return first == UInt8(ascii: "x") ? confirm(.xForwardedFor, name) : .other
    case 16:
      switch first {
      case UInt8(ascii: "x"):
        return name[12] | 0x20 == UInt8(ascii: "h") ? confirm(.xForwardedHost, name) : confirm(.xForwardedPort, name)
      case UInt8(ascii: "p"): return confirm(.proxyConnection, name)
      case UInt8(ascii: "w"): return confirm(.wwwAuthenticate, name)
      default: return .other
      }
    case 17:
      switch first {
      case UInt8(ascii: "t"): return confirm(.transferEncoding, name)
      case UInt8(ascii: "x"): return confirm(.xForwardedProto, name)
      case UInt8(ascii: "s"): return confirm(.secWebSocketKey, name)
      default: return .other
      }
    case 18: return first == UInt8(ascii: "x") ? confirm(.xForwardedPrefix, name) : confirm(.proxyAuthenticate, name)
    case 19: return first == UInt8(ascii: "p") ? confirm(.proxyAuthorization, name) : .other
    case 20: return confirm(.secWebSocketAccept, name)
    case 21: return confirm(.secWebSocketVersion, name)
    case 22: return confirm(.secWebSocketProtocol, name)
    default: return .other
    }
  }
}
