/// What became of bytes that were received.
package enum HTTP2Result: Equatable, Sendable {
  case ok
  /// The peer broke the protocol or was abusive. A GOAWAY with this code is queued: write what `pull` gives, then close.
  ///
  /// Faults that nghttp2 answers by itself are reported as `ok`; `isFinished` turns true once their GOAWAY is pulled.
  case protocolError(HTTP2ErrorCode)
}
