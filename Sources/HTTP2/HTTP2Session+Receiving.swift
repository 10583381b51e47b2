import Bytes
import CNghttp2
import HTTP

/// What nghttp2 reports while it reads. Non-zero results end the reading.
extension HTTP2Session {
  /// Ends the connection behind this callback.
  private func stop(_ code: HTTP2ErrorCode) -> Int32 {
    violation = violation ?? code
    return SessionCallbacks.stop
  }

  /// Counted here, before nghttp2 looks at the frame, so that those it ignores or refuses count too.
  func frameBegan(_ header: nghttp2_frame_hd) -> Int32 {
    let event: AbuseBounds.Event
    switch header.type {
    case FrameType.headers: return role == .server ? headersFrameBegan(header.stream_id) : 0
    case FrameType.resetStream:
      event = .resetReceived
      if role == .server { history.resetByPeer(header.stream_id) }
    case FrameType.settings:
      guard header.flags & FrameType.acknowledgement == 0 else { return 0 }
      event = .settings
    case FrameType.ping: event = .ping
    case FrameType.windowUpdate: event = .windowUpdate
    case FrameType.priority:
      // nghttp2 has been told to take no notice of priorities, and takes none of this either (RFC 9113 section 6.3).
      if header.stream_id == 0 { return stop(.protocolError) }
      event = .priority
    case FrameType.goAway: event = .goAway
    case FrameType.data, FrameType.continuation, FrameType.pushPromise: return 0
    default: event = .extension
    }
    return bounds.allow(event, now: now) ? 0 : stop(.enhanceYourCalm)
  }

  private func headersFrameBegan(_ id: Int32) -> Int32 {
    guard id & 1 == 1 else { return 0 }
    if id > history.last {
      history.open(id)
      // Its frames are passed over from the GOAWAY on, which the client may not have seen.
      if goAwaySent { history.reset(id) }
      return 0
    }
    guard stream(id) == nil, let code = fault(ofStray: id) else { return 0 }
    return stop(code)
  }

  /// What is to become of a DATA frame.
  func judge(_ id: Int32, _ flags: UInt8) -> FrameCursor.Content {
    if isStray(id) { return .stray }
    guard flags & (FrameType.endStream | FrameType.padded) == FrameType.endStream, let stream = stream(id), stream.mayEndEarly else {
      return .passes
    }
    return .suspicious
  }

  /// A client that has read the head of its answer may end its upload there and then, short of what `content-length` has promised: curl
  /// does so behind a refusal. nghttp2 would answer that with a reset, and the client, which did nothing but stop, would have nothing of
  /// the answer. So the answer goes on, and behind its end the stream is reset with NO_ERROR (RFC 9113 section 8.1). For whoever was to
  /// have the request it stays incomplete.
  ///
  /// - Parameter count: of content in the frame that ends the stream.
  func endsTooEarly(_ id: Int32, _ count: Int) -> Bool {
    guard let stream = stream(id), stream.mayEndEarly, let promised = stream.promised,
      UInt64(stream.contentSeen &+ count) < promised
    else { return false }
    stream.resetsBehindEnd = true
    discardContent(stream)
    return true
  }

  /// Whether DATA for a stream is the end of the connection. Asked before nghttp2 is given the frame: of one for a stream that is gone it
  /// tells nobody.
  private func isStray(_ id: Int32) -> Bool {
    guard id <= history.last, id & 1 == 1, nghttp2_session_get_stream_user_data(handle, id) == nil, let code = fault(ofStray: id)
    else { return false }
    violation = violation ?? code
    return true
  }

  /// What is wrong with HEADERS or DATA for a stream that we do not know and that is no new one (RFC 9113 sections 5.1 and 5.1.1); nil
  /// when the connection goes on.
  private func fault(ofStray id: Int32) -> HTTP2ErrorCode? {
    // Refused, and its reset not sent yet.
    if nghttp2_session_find_stream(handle, id) != nil { return nil }
    switch history.stray(on: id) {
    case .crossing: return bounds.allow(.stray, now: now) ? nil : .enhanceYourCalm
    case .behindReset:
      nghttp2_submit_rst_stream(handle, 0, id, HTTP2ErrorCode.streamClosed.rawValue)
      return nil
    case .closed: return .streamClosed
    case .skipped: return .protocolError
    }
  }

  /// Of a stream that we do not know: a request, if it is one.
  func headersBegan(_ headers: nghttp2_headers) -> Int32 {
    guard !isAbandoned else { return SessionCallbacks.stop }
    guard role == .server, headers.cat == NGHTTP2_HCAT_REQUEST else { return 0 }
    guard live.count < limits.streams else { return refuseStream(headers.hd.stream_id) }
    openRequest(headers.hd.stream_id)
    return 0
  }

  func headersBegan(_ headers: nghttp2_headers, on stream: HTTP2Stream) -> Int32 {
    guard !isAbandoned else { return SessionCallbacks.stop }
    if role == .client, !stream.hasFinalHead {
      stream.beginResponseHead()
    } else {
      stream.readsTrailers = true
      stream.beginSection()
    }
    return 0
  }

  /// One stream too many is that stream's affair (RFC 9113 section 5.1.2). It counts as a reset that the client has provoked.
  private func refuseStream(_ id: Int32) -> Int32 {
    nghttp2_submit_rst_stream(handle, 0, id, HTTP2ErrorCode.refusedStream.rawValue)
    return SessionCallbacks.resetStream
  }

  private func openRequest(_ id: Int32) {
    let stream = pool.take()
    stream.id = id
    let pointer = adopt(stream)
    stream.headBytes.borrow(from: pool.buffers)
    stream.beginRequestHead()
    bounds.streamOpened()
    nghttp2_session_set_stream_user_data(handle, id, pointer)
    // Every stream gets its turn, whatever it thinks of its importance.
    var priority = nghttp2_extpri(urgency: UInt32(NGHTTP2_EXTPRI_DEFAULT_URGENCY), inc: 1)
    nghttp2_session_change_extpri_stream_priority(handle, id, &priority, 1)
  }

  func fieldReceived(
    _ stream: HTTP2Stream, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, _ owner: HTTP2Owner
  ) -> Int32 {
    guard !isAbandoned else { return SessionCallbacks.stop }
    let reception: HTTP2Stream.Reception
    if stream.readsTrailers {
      reception = receiveTrailer(stream, name, value, owner)
    } else if role == .server {
      reception = stream.addRequestField(name, value, headLimits)
    } else {
      reception = stream.addResponseField(name, value, headLimits)
    }
    return reception == .abusive ? tooManyFields(stream) : 0
  }

  /// A client that goes on and on loses its connection; a backend, which others use too, its stream.
  private func tooManyFields(_ stream: HTTP2Stream) -> Int32 {
    if role == .server { return stop(.enhanceYourCalm) }
    refuse(stream, .enhanceYourCalm)
    return 0
  }

  /// nghttp2 would leave the field out and go on: two readings of one head.
  func invalidFieldReceived(_ stream: HTTP2Stream, _ name: Int, _ value: Int) -> Int32 {
    guard !isAbandoned else { return SessionCallbacks.stop }
    if stream.countField(name, value, headLimits) == .abusive { return tooManyFields(stream) }
    if stream.readsTrailers {
      refuse(stream, .protocolError)
    } else {
      stream.refuseHead(.badRequest)
    }
    return 0
  }

  private func receiveTrailer(
    _ stream: HTTP2Stream, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, _ owner: HTTP2Owner
  ) -> HTTP2Stream.Reception {
    let reception = stream.countField(name.count, value.count, headLimits)
    guard reception != .abusive, stream.isOpen else { return reception }
    guard reception == .kept, stream.fieldsSeen <= limits.headerCount else {
      refuse(stream, .enhanceYourCalm)
      return .refused
    }
    let field = HeaderField(
      name: ByteRange(offset: 0, count: name.count), value: .empty, id: FieldName(recognising: name.span))
    guard TrailerPolicy.allows(field, in: name.span) else {
      // A client may smuggle; a backend only says more than others will hear (RFC 9110 section 6.5.1).
      if role == .server { refuse(stream, .protocolError) }
      return .refused
    }
    if !stream.discardsContent { owner.trailer(stream, name, value) }
    return .kept
  }

  /// - Parameter padding: of DATA.
  func frameReceived(_ header: nghttp2_frame_hd, padding: Int, on stream: HTTP2Stream, _ owner: HTTP2Owner) -> Int32 {
    guard !isAbandoned else { return SessionCallbacks.stop }
    switch header.type {
    case FrameType.headers: fieldsReceived(stream, endStream: header.flags & FrameType.endStream != 0, owner)
    case FrameType.data:
      guard header.flags & FrameType.endStream != 0 else { return contentFrameReceived(header.length, padding: padding) }
      messageEnded(stream, owner)
    default: break
    }
    return 0
  }

  /// DATA that does not end its stream.
  private func contentFrameReceived(_ length: Int, padding: Int) -> Int32 {
    // Padding is no content.
    length <= padding && !bounds.allow(.emptyData, now: now) ? stop(.enhanceYourCalm) : 0
  }

  /// A frame of a stream that we do not know, or of none.
  func frameReceived(_ frame: UnsafePointer<nghttp2_frame>, _ owner: HTTP2Owner) -> Int32 {
    guard !isAbandoned else { return SessionCallbacks.stop }
    let header = frame.pointee.hd
    switch header.type {
    case FrameType.data where header.flags & FrameType.endStream == 0:
      return contentFrameReceived(header.length, padding: frame.pointee.data.padlen)
    case FrameType.settings where header.flags & FrameType.acknowledgement == 0 && !settingsReceived:
      settingsReceived = true
      owner.settingsReceived()
    case FrameType.goAway:
      goAwayReceived = true
      let goAway = frame.pointee.goaway
      owner.goAway(lastStream: goAway.last_stream_id, HTTP2ErrorCode(rawValue: goAway.error_code))
    default: break
    }
    return 0
  }

  private func fieldsReceived(_ stream: HTTP2Stream, endStream: Bool, _ owner: HTTP2Owner) {
    if stream.readsTrailers { return messageEnded(stream, owner) }
    guard stream.isOpen else { return }
    if endStream { stream.remoteEnded = true }
    switch role {
    case .server:
      stream.finishRequestHead(endStream: endStream, headLimits)
      owner.requestHead(stream, endStream: endStream)
    case .client:
      stream.finishResponseHead(endStream: endStream)
      if stream.headRefusal != nil {
        stream.remoteEnded = false
        refuse(stream, .protocolError)
      } else {
        owner.responseHead(stream, endStream: endStream)
      }
    }
  }

  private func messageEnded(_ stream: HTTP2Stream, _ owner: HTTP2Owner) {
    guard stream.isOpen, !stream.remoteEnded else { return }
    stream.remoteEnded = true
    if !stream.discardsContent { owner.messageEnded(stream) }
  }

  func strayContentReceived(_ id: Int32, _ count: Int) -> Int32 {
    guard !isAbandoned else { return SessionCallbacks.stop }
    nghttp2_session_consume(handle, id, count)
    return 0
  }

  func contentReceived(_ stream: HTTP2Stream, _ bytes: UnsafeBufferPointer<UInt8>, _ owner: HTTP2Owner) -> Int32 {
    stream.contentSeen &+= bytes.count
    guard !isAbandoned, stream.isOpen else { return strayContentReceived(stream.id, bytes.count) }
    if stream.discardsContent {
      discard(stream, bytes.count)
      return 0
    }
    stream.unconsumed &+= bytes.count
    held &+= bytes.count
    owner.content(stream, bytes)
    return 0
  }
}
