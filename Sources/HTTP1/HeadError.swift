/// Why a message head or a chunked body is refused. The connection closes after each of them: where the next message
/// would begin is in doubt.
package enum HeadError: UInt8, Error, CaseIterable, Sendable {
  /// 400: the grammar of RFC 9112 is broken.
  case badRequest
  /// 400: the target holds a fragment. Every other fault of a path is found by `CanonicalPath`.
  case badPath
  /// 400: no `Host`, two, one that is no authority, or one that differs from the target's.
  case badHost
  /// 400: the end of the content cannot be told in exactly one way.
  case badFraming
  /// 414
  case uriTooLong
  /// 431
  case headersTooLarge
  /// 505
  case versionNotSupported
  /// 417
  case expectationFailed

  /// The status of the answer, when the message was a request.
  package var status: UInt16 {
    switch self {
    case .badRequest, .badPath, .badHost, .badFraming: return 400
    case .uriTooLong: return 414
    case .headersTooLarge: return 431
    case .versionNotSupported: return 505
    case .expectationFailed: return 417
    }
  }
}
