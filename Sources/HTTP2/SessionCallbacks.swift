import Bytes
import CNghttp2
import HTTP

/// nghttp2's callbacks: each finds the session and the stream, and passes on. No error may unwind through C, and none does.
enum SessionCallbacks {
  /// Copied by each session as it is made.
  nonisolated(unsafe) static let shared: OpaquePointer? = {
    var callbacks: OpaquePointer?
    nghttp2_session_callbacks_new(&callbacks)
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, onBeginFrame)
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBeginHeaders)
    nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, onInvalidHeader)
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrameReceived)
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onData)
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onStreamClose)
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, onFrameSent)
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, onFrameNotSent)
    nghttp2_session_callbacks_set_send_data_callback(callbacks, sendData)
    return callbacks
  }()

  /// Ends `nghttp2_session_mem_recv`.
  static let stop = Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
  static let deferred = Int(NGHTTP2_ERR_DEFERRED.rawValue)
  static let resetStream = Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
  static let wouldBlock = Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue)

  /// Calls `body` with the session and the stream that a frame or a chunk belongs to, if we know it.
  @inline(__always)
  private static func call<Result>(
    _ user: UnsafeMutableRawPointer?, _ id: Int32, or none: Result, _ body: (HTTP2Session, HTTP2Stream?) -> Result
  ) -> Result {
    guard let scope = user?.assumingMemoryBound(to: SessionScope.self) else { return none }
    scope.pointee.turn(to: id)
    return scope.pointee.call(body)
  }

  private static let onBeginFrame: nghttp2_on_begin_frame_callback = { _, header, user in
    guard let header, let scope = user?.assumingMemoryBound(to: SessionScope.self) else { return stop }
    return scope.pointee.call { session, _ in session.frameBegan(header.pointee) }
  }

  private static let onBeginHeaders: nghttp2_on_begin_headers_callback = { _, frame, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { $0.headersBegan(frame.pointee.headers, $1) }
  }

  private static let onHeader: nghttp2_on_header_callback = { _, frame, name, nameLength, value, valueLength, _, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { session, stream in
      guard let stream else { return 0 }
      return session.fieldReceived(
        stream, UnsafeBufferPointer(start: name, count: nameLength), UnsafeBufferPointer(start: value, count: valueLength))
    }
  }

  private static let onInvalidHeader: nghttp2_on_invalid_header_callback = {
    _, frame, _, nameLength, _, valueLength, _, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { session, stream in
      guard let stream else { return 0 }
      return session.invalidFieldReceived(stream, nameLength, valueLength)
    }
  }

  private static let onFrameReceived: nghttp2_on_frame_recv_callback = { _, frame, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { $0.frameReceived(frame, $1) }
  }

  private static let onData: nghttp2_on_data_chunk_recv_callback = { _, _, id, bytes, count, user in
    call(user, id, or: stop) { $0.contentReceived($1, id, UnsafeBufferPointer(start: bytes, count: count)) }
  }

  private static let onStreamClose: nghttp2_on_stream_close_callback = { _, id, code, user in
    call(user, id, or: stop) { session, stream in
      if let stream { session.markClosed(stream, HTTP2ErrorCode(rawValue: code)) }
      return 0
    }
  }

  private static let onFrameSent: nghttp2_on_frame_send_callback = { _, frame, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) {
      $0.frameSent(frame, $1)
      return 0
    }
  }

  private static let onFrameNotSent: nghttp2_on_frame_not_send_callback = { _, frame, error, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) {
      $0.frameNotSent(frame, $1, error)
      return 0
    }
  }

  /// Says how much of a stream's output goes into the next DATA frame; `sendData` copies it.
  static let readData: nghttp2_data_source_read_callback = { _, id, _, length, flags, source, user in
    guard let flags, let source, let scope = user?.assumingMemoryBound(to: SessionScope.self) else { return deferred }
    scope.pointee.turn(to: id, source.pointee.ptr)
    return scope.pointee.call { session, stream in stream.map { session.nextData($0, atMost: length, flags) } ?? deferred }
  }

  private static let sendData: nghttp2_send_data_callback = { _, frame, header, length, source, user in
    guard let frame, let header, let source, let scope = user?.assumingMemoryBound(to: SessionScope.self) else { return stop }
    scope.pointee.turn(to: frame.pointee.hd.stream_id, source.pointee.ptr)
    // Closed since the frame was measured: its bytes are gone.
    return scope.pointee.call { session, stream in stream.map { session.writeData($0, header, length) } ?? resetStream }
  }
}
