import Bytes

/// Streams and memory that the sessions of a worker share, so that an idle connection holds next to nothing. One a worker and
/// role.
package final class HTTP2StreamPool {
  /// A stream that waits for its next use keeps this much for a head.
  static let keptHeadBytes = 4096

  private let requestFields: Int
  private let responseFields: Int
  private let keep: Int
  private var free: [HTTP2Stream] = []
  let buffers: BufferPool
  /// nghttp2's. Outlives the sessions, which hold the pool.
  let memory = SessionMemory()
  /// For the head that is being written.
  var sink = FieldSink()

  /// - Parameters:
  ///   - fields: the most fields of a request's head; sessions whose limit is larger refuse at this.
  ///   - keep: streams kept for the next user.
  package init(server fields: Int, buffers: BufferPool, keep: Int = 256) {
    requestFields = fields
    responseFields = 0
    self.buffers = buffers
    self.keep = keep
    free.reserveCapacity(keep)
  }

  /// - Parameter fields: the most fields of a response's head.
  package init(client fields: Int, buffers: BufferPool, keep: Int = 256) {
    requestFields = 0
    responseFields = fields
    self.buffers = buffers
    self.keep = keep
    free.reserveCapacity(keep)
  }

  /// Streams that wait for the next user.
  package var kept: Int { free.count }

  func take() -> HTTP2Stream {
    let stream = free.popLast() ?? HTTP2Stream(requestFields: requestFields, responseFields: responseFields)
    stream.state = .open
    return stream
  }

  /// Takes a closed stream back, unless somebody still holds it.
  func give(_ stream: consuming HTTP2Stream) {
    stream.output.removeAll()
    stream.output.giveBack(to: buffers)
    guard free.count < keep, isKnownUniquelyReferenced(&stream) else { return }
    if requestFields > 0 {
      // A request's head was taken over with its memory, or is of no interest to anybody.
      stream.headBytes.removeAll()
      stream.headBytes.giveBack(to: buffers)
    }
    stream.recycle()
    free.append(stream)
  }
}
