import Bytes

/// Which fields a trailer section may hold (RFC 9110 section 6.5.1).
///
/// A receiver that merges trailers into the header section would act on them after the gateway has decided, so whatever
/// takes part in framing, routing, authentication or the reading of the content is refused.
package enum TrailerPolicy {
  package static func allows(_ field: HeaderField, in bytes: Span<UInt8>) -> Bool {
    // Every name that the gateway knows is one that it reads, removes or sets.
    guard field.id == .other else { return false }
    let name = bytes.extracting(field.name.bounds)
    switch name.count {
    case 3: return !name.foldsOntoFieldName("age")
    case 4: return !name.foldsOntoFieldName("vary")
    case 5: return !name.foldsOntoFieldName("range")
    case 6: return !name.foldsOntoFieldName("pragma") && !name.foldsOntoFieldName("cookie")
    case 7: return !name.foldsOntoFieldName("expires")
    case 8: return !name.foldsOntoFieldName("if-match") && !name.foldsOntoFieldName("if-range")
    case 12: return !name.foldsOntoFieldName("max-forwards") && !isForwarded(name)
    case 13:
      return !name.foldsOntoFieldName("content-range") && !name.foldsOntoFieldName("cache-control")
        && !name.foldsOntoFieldName("if-none-match")
    case 16:
      return !name.foldsOntoFieldName("content-encoding") && !name.foldsOntoFieldName("content-location") && !isForwarded(name)
    case 17: return !name.foldsOntoFieldName("if-modified-since") && !isForwarded(name)
    case 19: return !name.foldsOntoFieldName("if-unmodified-since") && !isForwarded(name)
    default: return !isForwarded(name)
    }
  }

  /// `X-Forwarded-` and anything behind it.
  private static func isForwarded(_ name: Span<UInt8>) -> Bool {
    name.count >= 12 && name.extracting(0..<12).foldsOntoFieldName("x-forwarded-")
  }
}
