/// A request method (RFC 9110 section 9). Methods are case-sensitive: `get` is `other`, not `GET`.
@usableFromInline package enum HTTPMethod: UInt8, CaseIterable, Sendable {
  case get, head, post, put, delete, options, patch, connect, trace
  /// A legal token that is none of the above; its text is in `RequestHead.methodRange`.
  case other

  /// RFC 9110 section 9.2.1: asks for nothing but an answer.
  @inlinable package var isSafe: Bool {
    switch self {
    case .get, .head, .options, .trace: return true
    case .put, .delete, .post, .patch, .connect, .other: return false
    }
  }

  /// RFC 9110 section 9.2.2: doing it twice is doing it once.
  @inlinable package var isIdempotent: Bool {
    switch self {
    case .get, .head, .put, .delete, .options, .trace: return true
    case .post, .patch, .connect, .other: return false
    }
  }

  /// The method as it stands on the wire; empty for `other`.
  package var token: StaticString {
    switch self {
    case .get: return "GET"
    case .head: return "HEAD"
    case .post: return "POST"
    case .put: return "PUT"
    case .delete: return "DELETE"
    case .options: return "OPTIONS"
    case .patch: return "PATCH"
    case .connect: return "CONNECT"
    case .trace: return "TRACE"
    case .other: return ""
    }
  }
}
