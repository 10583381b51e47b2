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

  /// Calls `body` with the session and the stream that a frame or a chunk belongs to, if we know it: without the retains and
  /// releases that holding the two would cost (25 of each a request), since neither is freed while nghttp2 runs.
  @inline(__always)
  private static func call<Result>(
    _ user: UnsafeMutableRawPointer?, _ id: Int32, _ body: (HTTP2Session, HTTP2Stream?) -> Result
  ) -> Result {
    call(user) { session in
      guard let stream = session.stream(id) else { return body(session, nil) }
      return stream._withUnsafeGuaranteedRef { body(session, $0) }
    }
  }

  @inline(__always)
  private static func call<Result>(_ user: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> Result) -> Result {
    Unmanaged<HTTP2Session>.fromOpaque(user.unsafelyUnwrapped)._withUnsafeGuaranteedRef(body)
  }

  private static let onBeginFrame: nghttp2_on_begin_frame_callback = { _, header, user in
    guard let header else { return 0 }
    return call(user) { $0.frameBegan(header.pointee) }
  }

  private static let onBeginHeaders: nghttp2_on_begin_headers_callback = { _, frame, user in
    guard let frame else { return 0 }
    return call(user, frame.pointee.hd.stream_id) { $0.headersBegan(frame.pointee.headers, $1) }
  }

  private static let onHeader: nghttp2_on_header_callback = { _, _, name, nameLength, value, valueLength, _, user in
    // Not by way of an optional, which would be retained: this is called for each field of each head.
    call(user) { session in
      guard let receiving = session.receiving else { return 0 }
      return receiving._withUnsafeGuaranteedRef { stream in
        session.fieldReceived(
          stream, UnsafeBufferPointer(start: name, count: nameLength), UnsafeBufferPointer(start: value, count: valueLength))
      }
    }
  }

  private static let onInvalidHeader: nghttp2_on_invalid_header_callback = {
    _, frame, _, nameLength, _, valueLength, _, user in
    guard let frame else { return 0 }
    return call(user, frame.pointee.hd.stream_id) { session, stream in
      guard let stream else { return 0 }
      return session.invalidFieldReceived(stream, nameLength, valueLength)
    }
  }

  private static let onFrameReceived: nghttp2_on_frame_recv_callback = { _, frame, user in
    guard let frame else { return 0 }
    return call(user, frame.pointee.hd.stream_id) { $0.frameReceived(frame, $1) }
  }

  private static let onData: nghttp2_on_data_chunk_recv_callback = { _, _, id, bytes, count, user in
    call(user, id) { $0.contentReceived($1, id, UnsafeBufferPointer(start: bytes, count: count)) }
  }

  private static let onStreamClose: nghttp2_on_stream_close_callback = { _, id, code, user in
    call(user, id) { session, stream in
      if let stream { session.markClosed(stream, HTTP2ErrorCode(rawValue: code)) }
      return 0
    }
  }

  private static let onFrameSent: nghttp2_on_frame_send_callback = { _, frame, user in
    guard let frame else { return 0 }
    call(user, frame.pointee.hd.stream_id) { $0.frameSent(frame, $1) }
    return 0
  }

  private static let onFrameNotSent: nghttp2_on_frame_not_send_callback = { _, frame, error, user in
    guard let frame else { return 0 }
    call(user, frame.pointee.hd.stream_id) { $0.frameNotSent(frame, $1, error) }
    return 0
  }

  /// Says how much of a stream's output goes into the next DATA frame; `sendData` copies it.
  static let readData: nghttp2_data_source_read_callback = { _, _, _, length, flags, source, user in
    guard let flags, let pointer = source?.pointee.ptr else { return deferred }
    return call(user) { session in
      Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { session.nextData($0, atMost: length, flags) }
    }
  }

  private static let sendData: nghttp2_send_data_callback = { _, frame, header, length, source, user in
    guard let header, let pointer = source?.pointee.ptr else { return stop }
    return call(user) { session in
      Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { session.writeData($0, header, length) }
    }
  }
}
