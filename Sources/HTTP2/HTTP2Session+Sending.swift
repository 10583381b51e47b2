import Bytes
import CNghttp2
import HTTP

/// What nghttp2 asks and reports while it writes.
extension HTTP2Session {
  /// How much of what waits goes into the next DATA frame.
  func nextData(_ stream: HTTP2Stream, atMost length: Int, _ flags: UnsafeMutablePointer<UInt32>) -> Int {
    guard stream.state == .open else { return SessionCallbacks.deferred }
    let waiting = stream.output.count
    if waiting == 0, !stream.outputEnded {
      stream.isDeferred = true
      return SessionCallbacks.deferred
    }
    let count = min(waiting, length)
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    if stream.outputEnded, count == waiting {
      flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
      if !stream.trailers.isEmpty {
        flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        submitTrailers(stream)
      }
    }
    return count
  }

  /// Writes a DATA frame that `nextData` has measured.
  func writeData(_ stream: HTTP2Stream, _ header: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    guard let target else { return SessionCallbacks.stop }
    // Given up since the frame was measured: its bytes are gone.
    guard stream.state == .open else { return SessionCallbacks.resetStream }
    // The budget is used: the frame stays with nghttp2 until the next `pull`.
    guard target.pointee.count < targetLimit else { return SessionCallbacks.wouldBlock }
    _ = target.pointee.reserve(FrameCursor.headerLength &+ count)
    target.pointee.append(header, FrameCursor.headerLength)
    if count > 0 {
      target.pointee.append(stream.output.start, count)
      stream.output.consume(count)
      stream.contentSent &+= UInt64(truncatingIfNeeded: count)
      stalledSince = nil
      bounds.dataSent(count, isAll: stream.output.isEmpty)
      if stream.output.isEmpty { stream.output.giveBack(to: pool.buffers) }
      if stream.owesDrained, stream.output.count <= limits.lowWater { noteDrained(stream) }
    }
    return 0
  }

  func frameSent(_ header: nghttp2_frame_hd, on stream: HTTP2Stream) {
    switch header.type {
    case FrameType.data, FrameType.headers:
      if header.type == FrameType.headers { headIsGone() }
      guard header.flags & FrameType.endStream != 0 else { return }
      stream.localEndSent = true
      if stream.resetsBehindEnd, !stream.remoteEnded { reset(stream, .noError) }
    case FrameType.resetStream: resetSent(header.stream_id, isOwners: stream.isResetByOwner)
    default: break
    }
  }

  private func resetSent(_ id: Int32, isOwners: Bool) {
    if role == .server { history.reset(id) }
    guard !isOwners, !bounds.allow(.resetProvoked, now: now) else { return }
    violation = violation ?? .enhanceYourCalm
  }

  /// A frame of a stream that we do not know, or of none.
  func frameSent(_ frame: UnsafePointer<nghttp2_frame>) {
    let header = frame.pointee.hd
    switch header.type {
    case FrameType.headers: headIsGone()
    case FrameType.resetStream: resetSent(header.stream_id, isOwners: false)
    case FrameType.goAway:
      goAwayCode = HTTP2ErrorCode(rawValue: frame.pointee.goaway.error_code)
    default: break
    }
  }

  /// A HEADERS frame could not be sent: the stream would wait forever.
  func frameNotSent(_ frame: UnsafePointer<nghttp2_frame>, _ stream: HTTP2Stream?) {
    guard frame.pointee.hd.type == FrameType.headers else { return }
    headIsGone()
    if let stream {
      refuse(stream, .internalError)
    } else if role == .client, let unsent = live.all().first(where: { $0.id == frame.pointee.hd.stream_id }) {
      // It never became a stream, for the peer or nghttp2: nothing was done with it.
      markClosed(unsent, .refusedStream)
    }
  }
}
