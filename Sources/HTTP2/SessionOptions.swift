import CNghttp2

/// How nghttp2 is set up (RFC 9113 section 6.5.2 for what the peer is told).
enum SessionOptions {
  /// Acknowledgements of PING and SETTINGS that may wait; nghttp2 gives up beyond.
  static let acknowledgements = 100
  private static let continuations = 8
  private static let settingsEntries = 32

  static func makeSession(_ role: HTTP2Session.Role, _ limits: HTTP2Limits, _ memory: SessionMemory) -> OpaquePointer {
    var option: OpaquePointer?
    nghttp2_option_new(&option)
    // Windows open as content is consumed, not as it arrives.
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_option_set_no_closed_streams(option, 1)
    nghttp2_option_set_max_send_header_block_length(option, limits.sentHeaderBytes)
    nghttp2_option_set_max_outbound_ack(option, acknowledgements)
    nghttp2_option_set_max_settings(option, settingsEntries)
    nghttp2_option_set_max_continuations(option, continuations)
    // Resets are counted in `AbuseBounds`, whose answer says why; nghttp2's own count must not come first.
    nghttp2_option_set_stream_reset_rate_limit(option, UInt64(UInt32.max), UInt64(UInt32.max))
    // What frames of unknown types bring is passed over by `SessionCallbacks`: nghttp2 by itself would tell nobody that they came.
    for type in FrameType.extensions { nghttp2_option_set_user_recv_extension_type(option, type) }
    var session: OpaquePointer?
    #if DEBUG
      // The address sanitizer is to see each block.
      let functions: UnsafeMutablePointer<nghttp2_mem>? = nil
    #else
      let functions: UnsafeMutablePointer<nghttp2_mem>? = memory.functions
    #endif
    switch role {
    case .server: nghttp2_session_server_new3(&session, SessionCallbacks.shared, nil, option, functions)
    case .client: nghttp2_session_client_new3(&session, SessionCallbacks.shared, nil, option, functions)
    }
    nghttp2_option_del(option)
    guard let session else { preconditionFailure("out of memory") }
    return session
  }

  static func submitSettings(_ session: OpaquePointer, _ role: HTTP2Session.Role, _ limits: HTTP2Limits) {
    var entries = [
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(clamping: limits.streamWindow)),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: UInt32(clamping: limits.headerBytes)),
    ]
    switch role {
    case .server:
      // MAX_CONCURRENT_STREAMS is added by `takeSettings`.
      // The dependency tree of RFC 7540 is work for us and a weapon for the peer (RFC 9218 section 2.1).
      entries.append(
        nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES.rawValue), value: 1))
      // WebSockets over HTTP/2 (RFC 8441 section 3).
      entries.append(
        nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL.rawValue), value: 1))
    case .client:
      entries.append(nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
    }
    nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
    nghttp2_session_set_local_window_size(
      session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, Int32(clamping: limits.connectionWindow))
  }

  /// The SETTINGS frame that was submitted, with the bound of streams, of which nghttp2 is not to know: once the client has acknowledged
  /// it, nghttp2 would end the connection for the first stream too many, where RFC 9113 section 5.1.2 has that stream refused.
  static func takeSettings(_ session: OpaquePointer, streams: Int) -> [UInt8] {
    var frame: UnsafePointer<UInt8>?
    let count = nghttp2_session_mem_send(session, &frame)
    guard count >= FrameCursor.headerLength, let frame, frame[3] == FrameType.settings else { preconditionFailure("out of memory") }
    var bytes = Array(UnsafeBufferPointer(start: frame, count: count))
    let length = count - FrameCursor.headerLength + 6
    bytes[1] = UInt8(truncatingIfNeeded: length >> 8)
    bytes[2] = UInt8(truncatingIfNeeded: length)
    let value = UInt32(clamping: streams)
    bytes += [0, UInt8(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue)]
    bytes += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
    return bytes
  }

  /// What the peer is told about an error that ended `nghttp2_session_mem_recv`.
  static func code(for error: Int) -> HTTP2ErrorCode {
    switch Int32(truncatingIfNeeded: error) {
    case Int32(NGHTTP2_ERR_FLOODED.rawValue), Int32(NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue): return .enhanceYourCalm
    case Int32(NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue): return .protocolError
    default: return .internalError
    }
  }
}
