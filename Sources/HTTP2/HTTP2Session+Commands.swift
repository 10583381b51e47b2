import Bytes
import CNghttp2
import HTTP

/// What the owner tells the session to do. A stream that is closed or being reset takes no commands: they do nothing and say
/// false. Nothing is sent before the next `pull`.
extension HTTP2Session {
  private static var noFlags: UInt8 { 0 }
  private static var endStreamFlag: UInt8 { 1 }

  // MARK: Server

  /// The final response's head. `write` gives `:status` first; it must not touch the session.
  @discardableResult
  package func respond(_ stream: HTTP2Stream, endStream: Bool, _ write: (inout FieldSink) -> Void) -> Bool {
    guard role == .server, stream.isOpen, !stream.hasResponded else { return false }
    stream.hasResponded = true
    if endStream { stream.outputEnded = true }
    var provider = nghttp2_data_provider()
    provider.source.ptr = stream.slot?.pointer
    provider.read_callback = SessionCallbacks.readData
    let result = submitHead(write) { fields in
      endStream
        ? nghttp2_submit_response(handle, stream.id, fields.baseAddress, fields.count, nil)
        : nghttp2_submit_response(handle, stream.id, fields.baseAddress, fields.count, &provider)
    }
    if result != 0 { refuse(stream, .internalError) }
    return result == 0
  }

  /// An interim response (RFC 9110 section 15.2). `write` gives `:status` first.
  @discardableResult
  package func interim(_ stream: HTTP2Stream, _ write: (inout FieldSink) -> Void) -> Bool {
    guard role == .server, stream.isOpen, !stream.hasResponded else { return false }
    return submitHead(write) { fields in
      nghttp2_submit_headers(handle, HTTP2Session.noFlags, stream.id, nil, fields.baseAddress, fields.count, nil)
    } == 0
  }

  // MARK: Client

  /// Whether `request` would give a stream.
  package var canOpenStream: Bool {
    guard role == .client, failure == nil, !goAwayReceived, !goAwaySent, live.count < allowedStreams, !holdsManyHeads else {
      return false
    }
    return nghttp2_session_check_request_allowed(handle) != 0
  }

  /// Streams that may be alive at once: by the peer's word, if it has been heard, and by our limit.
  package var allowedStreams: Int {
    min(Int(nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)), limits.streams)
  }

  /// Whether the peer takes extended CONNECT (RFC 8441 section 3); false until its SETTINGS have come.
  package var peerTakesTunnels: Bool {
    settingsReceived && nghttp2_session_get_remote_settings(handle, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1
  }

  /// Sends a request. `write` gives the pseudo-headers first (RFC 9113 section 8.3.1).
  ///
  /// - Parameters:
  ///   - method: the one that `write` gives; it decides whether the response has content.
  ///   - isTunnel: an extended CONNECT: only when `peerTakesTunnels`.
  ///   - ownerSlot: the stream's.
  /// - Returns: nil when no stream can be opened: too many, or the connection is closing.
  package func request(
    method: HTTPMethod, endStream: Bool, isTunnel: Bool = false, ownerSlot: SlotID? = nil, _ write: (inout FieldSink) -> Void
  ) -> HTTP2Stream? {
    guard canOpenStream else { return nil }
    let stream = pool.take()
    stream.ownerSlot = ownerSlot
    stream.isHeadRequest = method == .head
    stream.isTunnelRequest = isTunnel
    stream.hasResponded = true
    stream.outputEnded = endStream
    let pointer = adopt(stream)
    var provider = nghttp2_data_provider()
    provider.source.ptr = pointer
    provider.read_callback = SessionCallbacks.readData
    let id = submitHead(write) { fields in
      endStream
        ? nghttp2_submit_request(handle, nil, fields.baseAddress, fields.count, nil, pointer)
        : nghttp2_submit_request(handle, nil, fields.baseAddress, fields.count, &provider, pointer)
    }
    guard id > 0 else {
      stream.slot.map { _ = live.remove($0) }
      stream.slot = nil
      stream.state = .closed
      pool.give(stream)
      return nil
    }
    stream.id = id
    bounds.streamOpened()
    return stream
  }

  // MARK: Both

  /// Content, copied. Look at `stream.pendingOutput` to know when to stop; `outputDrained` says when to go on.
  @discardableResult
  package func send(_ stream: HTTP2Stream, _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    guard stream.isOpen, stream.hasResponded, !stream.outputEnded else { return false }
    guard !bytes.isEmpty else { return true }
    stream.output.borrow(from: pool.buffers)
    stream.output.append(bytes)
    if stream.output.count > limits.lowWater { stream.owesDrained = true }
    resume(stream)
    return true
  }

  /// The message is whole.
  @discardableResult
  package func end(_ stream: HTTP2Stream) -> Bool {
    guard stream.isOpen, stream.hasResponded, !stream.outputEnded else { return false }
    stream.outputEnded = true
    resume(stream)
    return true
  }

  /// Trailer fields (RFC 9110 section 6.5); the message is whole with them.
  @discardableResult
  package func trailers(_ stream: HTTP2Stream, _ write: (inout FieldSink) -> Void) -> Bool {
    guard stream.isOpen, stream.hasResponded, !stream.outputEnded else { return false }
    write(&stream.trailers)
    return end(stream)
  }

  /// Adds one trailer field; `end` sends them.
  @discardableResult
  package func trailer(
    _ stream: HTTP2Stream, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    guard stream.isOpen, stream.hasResponded, !stream.outputEnded else { return false }
    stream.trailers.field(name, value)
    return true
  }

  private func resume(_ stream: HTTP2Stream) {
    guard stream.isDeferred else { return }
    stream.isDeferred = false
    nghttp2_session_resume_data(handle, stream.id)
  }

  /// Ends the stream at once; what waits to be sent is dropped. `streamClosed` follows, `streamReset` does not.
  @discardableResult
  package func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) -> Bool {
    guard stream.isOpen else { return false }
    stream.isResetByOwner = true
    submitReset(stream, code)
    return true
  }

  /// The response is whole and no more of the request is read: NO_ERROR (RFC 9113 section 8.1), as soon as all of the response has been
  /// sent. Until then it goes out as windows allow, and the peer gets no more window for what it sends itself.
  package func resetBehindEnd(_ stream: HTTP2Stream) {
    guard stream.isOpen, stream.outputEnded, !stream.remoteEnded else { return }
    if stream.localEndSent {
      reset(stream, .noError)
    } else {
      stream.resetsBehindEnd = true
    }
  }

  /// Ends a stream for a fault of the peer: its owner is told.
  func refuse(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard stream.isOpen else { return }
    stream.refusalCode = code
    submitReset(stream, code)
  }

  func submitReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    stream.isResetting = true
    nghttp2_submit_rst_stream(handle, HTTP2Session.noFlags, stream.id, code.rawValue)
  }

  // MARK: Connection

  /// The peer sends no more: what it has not ended it never will, heads that are half here among them.
  package func inputEnded() {
    for stream in live.all() where !stream.remoteEnded { reset(stream, .cancel) }
  }

  /// Announces the end without refusing anything yet (RFC 9113 section 6.8); `goAway` follows a round trip later. Server only.
  package func shutdownNotice() {
    guard role == .server, failure == nil, !goAwaySent else { return }
    nghttp2_submit_shutdown_notice(handle)
  }

  /// No new streams; those that are alive go on. The connection is finished when the last of them has ended.
  package func goAway(_ code: HTTP2ErrorCode = .noError) {
    guard failure == nil, !goAwaySent else { return }
    goAwaySent = true
    let last = nghttp2_session_get_last_proc_stream_id(handle)
    nghttp2_submit_goaway(handle, HTTP2Session.noFlags, last, code.rawValue, nil, 0)
  }

  /// Asks for a sign of life; `PING` with ACK tells nobody, but it is traffic.
  package func ping() {
    nghttp2_submit_ping(handle, HTTP2Session.noFlags, nil)
  }
}
