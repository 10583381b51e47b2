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
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, unpackExtension)
    return callbacks
  }()

  /// Ends `nghttp2_session_mem_recv`.
  static let stop = Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
  static let deferred = Int(NGHTTP2_ERR_DEFERRED.rawValue)
  static let resetStream = Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
  static let wouldBlock = Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue)

  /// Calls `known` with the stream that a frame or a chunk belongs to; `unknown` if we do not know it.
  @inline(__always)
  private static func call<Result>(
    _ scope: inout SessionScope, _ id: Int32, _ known: (HTTP2Session, HTTP2Owner, HTTP2Stream) -> Result,
    unknown: (HTTP2Session, HTTP2Owner) -> Result
  ) -> Result {
    guard let lent = scope.lend() else { return scope.call(unknown) }
    let result = scope.call { known($0, $1, lent) }
    scope.takeBack(lent, id)
    return result
  }

  @inline(__always)
  private static func call<Result>(
    _ user: UnsafeMutableRawPointer?, _ id: Int32, or none: Result, _ known: (HTTP2Session, HTTP2Owner, HTTP2Stream) -> Result,
    unknown: (HTTP2Session, HTTP2Owner) -> Result
  ) -> Result {
    guard let scope = user?.assumingMemoryBound(to: SessionScope.self) else { return none }
    scope.pointee.turn(to: id)
    return call(&scope.pointee, id, known, unknown: unknown)
  }

  private static let onBeginFrame: nghttp2_on_begin_frame_callback = { _, header, user in
    guard let header, let scope = user?.assumingMemoryBound(to: SessionScope.self) else { return stop }
    return scope.pointee.call { session, _ in session.frameBegan(header.pointee) }
  }

  /// A frame of a type that we do not know has no meaning (RFC 9113 section 5.5); it was counted as it began.
  private static let unpackExtension: nghttp2_unpack_extension_callback = { _, _, _, _ in Int32(NGHTTP2_ERR_CANCEL.rawValue) }

  private static let onBeginHeaders: nghttp2_on_begin_headers_callback = { _, frame, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { session, _, stream in
      session.headersBegan(frame.pointee.headers, on: stream)
    } unknown: { session, _ in
      session.headersBegan(frame.pointee.headers)
    }
  }

  private static let onHeader: nghttp2_on_header_callback = { _, frame, name, nameLength, value, valueLength, _, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { session, owner, stream in
      session.fieldReceived(
        stream, UnsafeBufferPointer(start: name, count: nameLength), UnsafeBufferPointer(start: value, count: valueLength), owner)
    } unknown: { _, _ in 0 }
  }

  private static let onInvalidHeader: nghttp2_on_invalid_header_callback = {
    _, frame, _, nameLength, _, valueLength, _, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { session, _, stream in
      session.invalidFieldReceived(stream, nameLength, valueLength)
    } unknown: { _, _ in 0 }
  }

  private static let onFrameReceived: nghttp2_on_frame_recv_callback = { _, frame, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { session, owner, stream in
      session.frameReceived(frame.pointee.hd, padding: frame.pointee.data.padlen, on: stream, owner)
    } unknown: { session, owner in
      session.frameReceived(frame, owner)
    }
  }

  private static let onData: nghttp2_on_data_chunk_recv_callback = { _, _, id, bytes, count, user in
    call(user, id, or: stop) { session, owner, stream in
      session.contentReceived(stream, UnsafeBufferPointer(start: bytes, count: count), owner)
    } unknown: { session, _ in
      session.strayContentReceived(id, count)
    }
  }

  private static let onStreamClose: nghttp2_on_stream_close_callback = { _, id, code, user in
    call(user, id, or: stop) { session, _, stream in
      session.markClosed(stream, HTTP2ErrorCode(rawValue: code))
      return 0
    } unknown: { _, _ in 0 }
  }

  private static let onFrameSent: nghttp2_on_frame_send_callback = { _, frame, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { session, _, stream in
      session.frameSent(frame.pointee.hd, on: stream)
      return 0
    } unknown: { session, _ in
      session.frameSent(frame)
      return 0
    }
  }

  private static let onFrameNotSent: nghttp2_on_frame_not_send_callback = { _, frame, error, user in
    guard let frame else { return stop }
    return call(user, frame.pointee.hd.stream_id, or: stop) { session, _, stream in
      session.frameNotSent(frame, stream)
      return 0
    } unknown: { session, _ in
      session.frameNotSent(frame, nil)
      return 0
    }
  }

  /// Says how much of a stream's output goes into the next DATA frame; `sendData` copies it.
  static let readData: nghttp2_data_source_read_callback = { _, id, _, length, flags, source, user in
    guard let flags, let source, let scope = user?.assumingMemoryBound(to: SessionScope.self) else { return deferred }
    scope.pointee.turn(to: id, source.pointee.ptr)
    return call(&scope.pointee, id) { session, _, stream in session.nextData(stream, atMost: length, flags) } unknown: { _, _ in deferred }
  }

  private static let sendData: nghttp2_send_data_callback = { _, frame, header, length, source, user in
    guard let frame, let header, let source, let scope = user?.assumingMemoryBound(to: SessionScope.self) else { return stop }
    let id = frame.pointee.hd.stream_id
    scope.pointee.turn(to: id, source.pointee.ptr)
    // Closed since the frame was measured: its bytes are gone.
    return call(&scope.pointee, id) { session, _, stream in session.writeData(stream, header, length) } unknown: { _, _ in resetStream }
  }
}
