import CNghttp2

/// Content that was handed over, and the window that it is given back as: when it has gone where it goes, or is dropped, and not before.
extension HTTP2Session {
  /// So many bytes of content have gone where they go: the peer may send as many more.
  package func consume(_ stream: HTTP2Stream, _ count: Int) {
    let count = min(count, stream.unconsumed)
    guard count > 0 else { return }
    stream.unconsumed -= count
    held &-= count
    // Of a stream that has ended it is the connection's alone.
    nghttp2_session_consume(handle, stream.id, count)
    if !isInsideReceive { offerWindow() }
  }

  /// In `streamClosed`: the owner goes on holding what it has of the stream's content. It says `consumeKept` when that has gone, or is
  /// dropped; without this it is taken for dropped.
  ///
  /// - Returns: how many bytes that is.
  package func keepContent(of stream: HTTP2Stream) -> Int {
    let kept = stream.unconsumed
    stream.unconsumed = 0
    return kept
  }

  /// So many bytes of those that were kept are no longer held.
  package func consumeKept(_ count: Int) {
    let count = min(count, held)
    guard count > 0 else { return }
    held &-= count
    nghttp2_session_consume_connection(handle, count)
    if !isInsideReceive { offerWindow() }
  }

  /// The owner forgets the stream: the other streams must not pay for what it held.
  func release(_ stream: HTTP2Stream) {
    if stream.unconsumed > 0 { consumeKept(keepContent(of: stream)) }
  }

  /// What came of the stream's content and what still comes is of no interest: it is taken and forgotten, up to
  /// `HTTP2Limits.discarded`. Whoever sends more gets no more window, and the stream has to be reset by its owner, in its own time
  /// and with NO_ERROR when the response is complete (RFC 9113 section 8.1): clients that meet the reset in the middle of an upload
  /// take it for a failure and forget the response.
  package func discardContent(_ stream: HTTP2Stream) {
    guard stream.isOpen else { return }
    stream.discardsContent = true
    let rest = keepContent(of: stream)
    held &-= rest
    discard(stream, rest)
    if !isInsideReceive { offerWindow() }
  }

  /// Whether the peer may send no content on any stream, or less than a frame of it: what it has sent is still held here.
  package var isWindowSpent: Bool { Int(nghttp2_session_get_local_window_size(handle)) < WindowOffer.frame }

  /// Whether the peer can still send content that is discarded.
  package func givesWindow(_ stream: HTTP2Stream) -> Bool { stream.discarded <= limits.discarded && !stream.resetsBehindEnd }

  func discard(_ stream: HTTP2Stream, _ count: Int) {
    guard count > 0 else { return }
    stream.discarded &+= count
    if givesWindow(stream) {
      nghttp2_session_consume(handle, stream.id, count)
    } else {
      // The connection's other streams do not pay for it.
      nghttp2_session_consume_connection(handle, count)
    }
  }

  /// Gives the connection's window back when the peer can send no more, as far as it was consumed.
  func offerWindow() {
    let left = Int(nghttp2_session_get_local_window_size(handle))
    guard left < WindowOffer.frame, failure == nil else { return }
    let size = WindowOffer.size(left: left, received: Int(nghttp2_session_get_effective_recv_data_length(handle)), held: held)
    if size > 0 { nghttp2_submit_window_update(handle, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, Int32(clamping: size)) }
  }
}
