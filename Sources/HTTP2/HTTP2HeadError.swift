/// Why a head is refused although its frames and its compression are in order: a request may be answered, and the
/// connection's other streams go on.
package enum HTTP2HeadError: UInt8, Error, CaseIterable, Sendable {
  /// 400: RFC 9113 section 8.2 or 8.3 is broken.
  case badRequest
  /// 400: `:path` holds a fragment. Every other fault of a path is found by `CanonicalPath`.
  case badPath
  /// 400: `:authority` or `host` is no authority, or they differ.
  case badHost
  /// 400: the length of the content cannot be told in exactly one way.
  case badFraming
  /// 414
  case uriTooLong
  /// 431
  case headersTooLarge
  /// 417
  case expectationFailed

  /// The status of the answer, when the message was a request.
  package var status: UInt16 {
    switch self {
    case .badRequest, .badPath, .badHost, .badFraming: return 400
    case .uriTooLong: return 414
    case .headersTooLarge: return 431
    case .expectationFailed: return 417
    }
  }
}
