import Bytes

/// Writes the chunked transfer coding (RFC 9112 section 7.1). It has no state: the caller writes, for each run of data, the
/// size line, the data and `endChunk`, and at last `end`, or `beginTrailers`, field lines and `endTrailers`.
package enum ChunkedEncoder {
  /// Most bytes that framing adds to one chunk: a size of 16 digits and two line ends.
  package static let overhead = 20

  /// - Parameter size: bytes of data that follow; not 0, which would end the content.
  package static func beginChunk(_ size: Int, into queue: inout ByteQueue) {
    precondition(size > 0)
    queue.append(hexadecimal: UInt64(size))
    queue.append("\r\n")
  }

  package static func endChunk(into queue: inout ByteQueue) {
    queue.append("\r\n")
  }

  /// A whole chunk; nothing when `data` is empty.
  package static func append(_ data: Span<UInt8>, into queue: inout ByteQueue) {
    guard !data.isEmpty else { return }
    beginChunk(data.count, into: &queue)
    queue.append(data)
    endChunk(into: &queue)
  }

  /// The last chunk and an empty trailer section.
  package static func end(into queue: inout ByteQueue) {
    queue.append("0\r\n\r\n")
  }

  /// The last chunk; `HeadWriter.field` lines may follow.
  package static func beginTrailers(into queue: inout ByteQueue) {
    queue.append("0\r\n")
  }

  package static func endTrailers(into queue: inout ByteQueue) {
    queue.append("\r\n")
  }
}
