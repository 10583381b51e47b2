import Bytes
import HTTP

/// Whoever serves the streams of a session: it is told here what the peer does.
///
/// A base class for the reason `Channel` is one. `requestHead`, `responseHead`, `content`, `trailer`, `messageEnded`,
/// `settingsReceived` and `goAway` come in the middle of `receive`; the others at its end, or from `settle`. In all of them every command of the session may
/// be given, and the session dropped; `receive` and `pull` may not be called from those. Pointers are valid during the call.
open class HTTP2Owner {
  public init() {}

  /// Server: a request's head, in `stream.head`, its bytes in `stream.headBytes`. When `stream.headRefusal` is set the head is
  /// not to be acted on: answer with its status, or reset; content is discarded then. `endStream`: nothing follows, and
  /// `messageEnded` is not called.
  open func requestHead(_ stream: HTTP2Stream, endStream: Bool) {}
  /// Client: a response's head, final or interim, in `stream.responseHead`, its bytes in `stream.headBytes`. A head that is
  /// refused never comes here: its stream is reset.
  open func responseHead(_ stream: HTTP2Stream, endStream: Bool) {}
  /// A run of content. Say `consume` when it has gone where it goes: until then it counts against the window.
  open func content(_ stream: HTTP2Stream, _ bytes: UnsafeBufferPointer<UInt8>) {}
  /// A trailer field (RFC 9110 section 6.5), its name in lower case.
  open func trailer(_ stream: HTTP2Stream, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {}
  /// The peer's message is whole, content and trailers included.
  open func messageEnded(_ stream: HTTP2Stream) {}

  /// The stream is over before the exchange was: reset by the peer, by nghttp2 for a fault of the peer, or because the
  /// connection went. `refusedStream` promises that the request was not acted on. `streamClosed` follows.
  open func streamReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {}
  /// The last call for this stream, however it ended; the first as well, when its head was malformed. Commands to it do nothing
  /// from here on. Content of it that is still held counts as dropped, unless `keepContent` is called.
  open func streamClosed(_ stream: HTTP2Stream) {}
  /// What was waiting to be sent on the stream has gone down to the low-water mark.
  open func outputDrained(_ stream: HTTP2Stream) {}
  /// The peer's first SETTINGS are in force.
  open func settingsReceived() {}
  /// The peer closes: streams above `lastStream` were not acted on, and those of ours are reset with `refusedStream`.
  open func goAway(lastStream: Int32, _ code: HTTP2ErrorCode) {}
}
