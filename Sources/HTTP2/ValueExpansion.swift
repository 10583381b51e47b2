import Bytes

/// Stands between a client's bytes and nghttp2: a long value that came before is handed on without its Huffman coding, and everything
/// else as it is.
///
/// The same frames and the same field sections either way, told in other bytes: whatever is wrong with them stays so, for nghttp2
/// to find. But for one: END_STREAM that comes too early behind the head of an answer, which nghttp2 would answer with a reset, is not told. A sixth of what an HTTP/2 request cost was reading the same access token again, four bits at a time.
package struct ValueExpansion: ~Copyable {
  /// No frame grows beyond what fits into a block, which SETTINGS_MAX_FRAME_SIZE is (RFC 9113 section 6.5.2).
  private static let longestFrame = BufferPool.blockSize - FrameCursor.headerLength
  private static let priorityLength = 5

  private var cursor: FrameCursor
  private var value = RepeatedValue()

  /// - Parameter preface: bytes that come before the first frame.
  package init(preface: Int) {
    cursor = FrameCursor(preface: preface)
  }

  /// See `FrameCursor`.
  package var unfinished: UInt32? { cursor.unfinished }

  /// Bytes held for the next request.
  package var allocated: Int { value.allocated }

  /// Gives memory back that the next request can have anew.
  package mutating func rest() { value.release() }

  /// Hands `bytes` to `read`, in one piece or in several.
  ///
  /// - Parameters:
  ///   - judge: asked for each DATA frame before it is handed on.
  ///   - endsTooEarly: asked for a suspicious one, with its stream and the length of its content, when all before it has been read.
  ///   - read: gives a negative number when nothing more is to be read.
  /// - Returns: what `read` gave last.
  package mutating func pass(
    _ bytes: UnsafeBufferPointer<UInt8>, _ buffers: BufferPool, judge: (Int32, UInt8) -> FrameCursor.Content,
    endsTooEarly: (Int32, Int) -> Bool, to read: (UnsafeBufferPointer<UInt8>) -> Int
  ) -> Int {
    var out = ByteQueue()
    var done = 0
    var index = 0
    var result = 0
    while result >= 0, let frame = cursor.nextHeaders(bytes, &index, judge: judge) {
      if bytes[frame.lowerBound &+ 3] == FrameType.data {
        if !out.isEmpty { result = read(out.readable) }
        out.removeAll()
        if result >= 0, done < frame.lowerBound { result = read(bytes.extracting(done..<frame.lowerBound)) }
        done = frame.lowerBound
        let stream = FrameCursor.stream(bytes[done &+ 5], bytes[done &+ 6], bytes[done &+ 7], bytes[done &+ 8])
        let length = Int(bytes[done]) << 16 | Int(bytes[done &+ 1]) << 8 | Int(bytes[done &+ 2])
        guard result >= 0, endsTooEarly(stream, length) else { continue }
        out.borrow(from: buffers)
        out.append(bytes.extracting(done..<done &+ 4))
        out.append(bytes[done &+ 4] & ~FrameType.endStream)
        out.append(bytes.extracting(done &+ 5..<done &+ FrameCursor.headerLength))
        done &+= FrameCursor.headerLength
        continue
      }
      guard let coded = Self.longValue(bytes, frame), let plain = value.plain(bytes.extracting(coded)) else { continue }
      let length = frame.count &- FrameCursor.headerLength &- coded.count &+ plain.count
      guard length <= Self.longestFrame else { continue }
      out.borrow(from: buffers)
      if out.count &+ coded.lowerBound &- done &+ plain.count > BufferPool.blockSize {
        // It begins a block of its own; what comes before it, which may be content, is not copied.
        if !out.isEmpty { result = read(out.readable) }
        out.removeAll()
        if result >= 0, done < frame.lowerBound { result = read(bytes.extracting(done..<frame.lowerBound)) }
        done = frame.lowerBound
      }
      out.append(bytes.extracting(done..<frame.lowerBound))
      out.append(UInt8(truncatingIfNeeded: length >> 16))
      out.append(UInt8(truncatingIfNeeded: length >> 8))
      out.append(UInt8(truncatingIfNeeded: length))
      out.append(bytes.extracting(frame.lowerBound &+ 3..<coded.lowerBound))
      out.append(plain)
      done = coded.upperBound
    }
    if result >= 0, !out.isEmpty { result = read(out.readable) }
    out.removeAll()
    out.giveBack(to: buffers)
    if result >= 0, done < index { result = read(bytes.extracting(done..<index)) }
    return result
  }

  /// Where the long value of a HEADERS frame stands, if it has one; padded frames are left alone.
  private static func longValue(_ bytes: UnsafeBufferPointer<UInt8>, _ frame: Range<Int>) -> Range<Int>? {
    let flags = bytes[frame.lowerBound &+ 4]
    guard flags & FrameType.padded == 0 else { return nil }
    let start = frame.lowerBound &+ FrameCursor.headerLength &+ (flags & FrameType.hasPriority != 0 ? priorityLength : 0)
    guard start < frame.upperBound, let found = LongValue.find(in: bytes.extracting(start..<frame.upperBound))
    else { return nil }
    return start &+ found.lowerBound..<start &+ found.upperBound
  }
}
