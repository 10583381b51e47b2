import Bytes
import CNghttp2

/// Heads on their way through nghttp2, and the memory that it points into until their frames are sent.
extension HTTP2Session {
  /// Gives nghttp2 what `write` says.
  ///
  /// - Parameter submit: its result is negative when nghttp2 did not take it.
  func submitHead(
    _ write: (inout FieldSink) -> Void, _ submit: (UnsafeMutableBufferPointer<nghttp2_nv>) -> Int32
  ) -> Int32 {
    pool.sink.removeAll()
    write(&pool.sink)
    let result = submit(pool.sink.nameValues(in: &heads, pool.buffers))
    if result >= 0 { headIsPending(pool.sink.byteCount) } else if pendingHeads == 0 { heads.giveBack(to: pool.buffers) }
    return result
  }

  /// The same for trailers, whose fields stand with their stream.
  func submitTrailers(_ stream: HTTP2Stream) {
    let fields = stream.trailers.nameValues()
    if nghttp2_submit_trailer(handle, stream.id, fields.baseAddress, fields.count) == 0 { headIsPending(stream.trailers.byteCount) }
  }

  private func headIsPending(_ bytes: Int) {
    pendingHeads &+= 1
    pendingHeadBytes &+= bytes
  }

  /// Heads are under no flow control, and those of a stream that was reset wait on. So a peer that does not read what it has got
  /// should be given no reason for more of them.
  package var holdsManyHeads: Bool { pendingHeadBytes > limits.pendingHeadBytes }

  /// Blocks of memory held for heads.
  package var heldForHeads: Int { heads.blockCount }

  /// nghttp2 has done with a HEADERS frame, sent or not.
  func headIsGone() {
    pendingHeads &-= 1
    if pendingHeads == 0 {
      pendingHeadBytes = 0
      heads.giveBack(to: pool.buffers)
    }
  }
}
