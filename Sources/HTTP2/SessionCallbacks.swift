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

  @inline(__always)
  static func session(_ pointer: UnsafeMutableRawPointer?) -> HTTP2Session {
    Unmanaged<HTTP2Session>.fromOpaque(pointer.unsafelyUnwrapped).takeUnretainedValue()
  }

  /// The stream that a frame or a chunk belongs to, if we know it.
  @inline(__always)
  static func stream(_ session: OpaquePointer?, _ id: Int32) -> HTTP2Stream? {
    guard let pointer = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    return Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
  }

  private static let onBeginFrame: nghttp2_on_begin_frame_callback = { _, header, user in
    guard let header else { return 0 }
    return session(user).frameBegan(header.pointee)
  }

  private static let onBeginHeaders: nghttp2_on_begin_headers_callback = { handle, frame, user in
    guard let frame else { return 0 }
    return session(user).headersBegan(frame.pointee.headers, stream(handle, frame.pointee.hd.stream_id))
  }

  /// Called for each field of each head: without the retains and releases that holding the two objects would cost, since neither
  /// is freed while nghttp2 runs.
  private static let onHeader: nghttp2_on_header_callback = { handle, frame, name, nameLength, value, valueLength, _, user in
    guard let frame, let user, let pointer = nghttp2_session_get_stream_user_data(handle, frame.pointee.hd.stream_id) else { return 0 }
    return Unmanaged<HTTP2Session>.fromOpaque(user)._withUnsafeGuaranteedRef { session in
      Unmanaged<HTTP2Stream>.fromOpaque(pointer)._withUnsafeGuaranteedRef { stream in
        session.fieldReceived(
          stream, UnsafeBufferPointer(start: name, count: nameLength), UnsafeBufferPointer(start: value, count: valueLength))
      }
    }
  }

  private static let onInvalidHeader: nghttp2_on_invalid_header_callback = {
    handle, frame, _, nameLength, _, valueLength, _, user in
    guard let frame, let stream = stream(handle, frame.pointee.hd.stream_id) else { return 0 }
    return session(user).invalidFieldReceived(stream, nameLength, valueLength)
  }

  private static let onFrameReceived: nghttp2_on_frame_recv_callback = { handle, frame, user in
    guard let frame else { return 0 }
    return session(user).frameReceived(frame, stream(handle, frame.pointee.hd.stream_id))
  }

  private static let onData: nghttp2_on_data_chunk_recv_callback = { handle, _, id, bytes, count, user in
    session(user).contentReceived(stream(handle, id), id, UnsafeBufferPointer(start: bytes, count: count))
  }

  private static let onStreamClose: nghttp2_on_stream_close_callback = { handle, id, code, user in
    guard let stream = stream(handle, id) else { return 0 }
    session(user).markClosed(stream, HTTP2ErrorCode(rawValue: code))
    return 0
  }

  private static let onFrameSent: nghttp2_on_frame_send_callback = { handle, frame, user in
    guard let frame else { return 0 }
    session(user).frameSent(frame, stream(handle, frame.pointee.hd.stream_id))
    return 0
  }

  private static let onFrameNotSent: nghttp2_on_frame_not_send_callback = { handle, frame, error, user in
    guard let frame else { return 0 }
    session(user).frameNotSent(frame, stream(handle, frame.pointee.hd.stream_id), error)
    return 0
  }

  /// Says how much of a stream's output goes into the next DATA frame; `sendData` copies it.
  static let readData: nghttp2_data_source_read_callback = { _, _, _, length, flags, source, user in
    guard let flags, let pointer = source?.pointee.ptr else { return deferred }
    let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
    return session(user).nextData(stream, atMost: length, flags)
  }

  private static let sendData: nghttp2_send_data_callback = { _, frame, header, length, source, user in
    guard let header, let pointer = source?.pointee.ptr else { return stop }
    let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
    return session(user).writeData(stream, header, length)
  }
}
