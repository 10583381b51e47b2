import Bytes
import HTTP

/// Takes the chunked transfer coding (RFC 9112 section 7.1) off a stream of bytes, without holding any of them.
///
/// Call `next` again and again with what is there; it hands out runs of data as ranges into the input and moves `consumed`
/// past everything it is done with. A line that is not whole yet stays unconsumed: it must be there again, from its first
/// byte, when more has come. At most 1,042 bytes of a size line, or 8 KiB of a trailer section, are ever left so.
package struct ChunkedDecoder {
  package enum Step: Equatable, Sendable {
    /// All that is whole has been handled. Call again when bytes have been added.
    case needMore
    /// Content: a range of the input, not empty. Call again.
    case data(ByteRange)
    /// A trailer field: its line's ranges in the input. Call again.
    case trailer(name: ByteRange, value: ByteRange)
    /// The content and its trailer section are over; what stands behind `consumed` belongs to the next message.
    case end
    /// Malformed. Call no more; nothing behind `consumed` is to be forwarded.
    case failed(HeadError)
  }

  private enum State: Equatable {
    case sizeLine
    /// So many bytes of the chunk are to come; at least one.
    case data(UInt64)
    case dataEnd
    case trailers
    case end
    case failed(HeadError)
  }

  /// Bytes of a trailer section, the empty line included.
  package static let longestTrailerSection = 8 << 10
  package static let mostTrailers = 32
  /// Bytes of chunk extensions that content of any size may carry. Beyond it they may not outgrow the content: a stream
  /// of one-byte chunks with a kibibyte of extension each is work for nothing.
  private static let freeExtensionBytes: UInt64 = 16 << 10

  private var state = State.sizeLine
  /// Bytes of the unfinished line that hold no LF.
  private var scanned = 0
  private var trailerBytes = 0
  private var trailerCount = 0
  private var extensionBytes: UInt64 = 0
  private var contentBytes: UInt64 = 0

  package init() {}

  /// Whether the content is over, trailers included.
  package var isFinished: Bool { state == .end }

  /// Handles the next piece of `input[consumed...]`.
  ///
  /// - Parameter consumed: offset of the first byte not handled yet; at most `input.count`.
  package mutating func next(_ input: Span<UInt8>, consumed: inout Int) -> Step {
    guard consumed >= 0, consumed <= input.count else { return fail(.badFraming) }
    while true {
      switch state {
      case .sizeLine:
        let longest = ChunkSizeLine.longestSize &+ ChunkSizeLine.longestExtension &+ 2
        switch line(input, from: consumed, atMost: longest) {
        case .incomplete: return .needMore
        case .malformed, .tooLong: return fail(.badFraming)
        case .whole(let range):
          guard let size = ChunkSizeLine.read(range, of: input), accounts(size, lineLength: range.count) else {
            return fail(.badFraming)
          }
          consumed = range.upperBound &+ 2
          state = size == 0 ? .trailers : .data(size)
        }
      case .data(let remaining):
        guard consumed < input.count else { return .needMore }
        let count = Int(min(remaining, UInt64(input.count &- consumed)))
        let range = ByteRange(offset: consumed, count: count)
        consumed &+= count
        state = remaining == UInt64(count) ? .dataEnd : .data(remaining &- UInt64(count))
        return .data(range)
      case .dataEnd:
        // A wrong byte is known at once: it is not left to a line that may never end.
        guard consumed < input.count else { return .needMore }
        guard input[consumed] == 0x0d else { return fail(.badFraming) }
        guard consumed &+ 1 < input.count else { return .needMore }
        guard input[consumed &+ 1] == 0x0a else { return fail(.badFraming) }
        consumed &+= 2
        state = .sizeLine
      case .trailers:
        if let step = nextTrailer(input, &consumed) { return step }
      case .end:
        return .end
      case .failed(let error):
        return .failed(error)
      }
    }
  }

  /// Nil when the section has ended.
  private mutating func nextTrailer(_ input: Span<UInt8>, _ consumed: inout Int) -> Step? {
    switch line(input, from: consumed, atMost: ChunkedDecoder.longestTrailerSection &- trailerBytes) {
    case .incomplete: return .needMore
    case .malformed: return fail(.badRequest)
    case .tooLong: return fail(.headersTooLarge)
    case .whole(let range):
      let lineEnd = range.upperBound &+ 2
      switch FieldLine.read(input, at: range.lowerBound, to: lineEnd) {
      case .field(let field, let next):
        guard next == lineEnd, TrailerPolicy.allows(field, in: input) else { return fail(.badFraming) }
        guard trailerCount < ChunkedDecoder.mostTrailers else { return fail(.headersTooLarge) }
        trailerCount &+= 1
        trailerBytes &+= lineEnd &- range.lowerBound
        consumed = lineEnd
        return .trailer(name: field.name, value: field.value)
      case .end:
        consumed = lineEnd
        state = .end
        return nil
      case .incomplete, .malformed:
        return fail(.badRequest)
      }
    }
  }

  // MARK: Lines

  private enum Line {
    /// The line without its CRLF.
    case whole(Range<Int>)
    case incomplete
    /// It ends in a bare LF.
    case malformed
    case tooLong
  }

  /// The line at `start`, if it ends within `longest` bytes, CRLF included.
  private mutating func line(_ input: Span<UInt8>, from start: Int, atMost longest: Int) -> Line {
    let end = min(input.count, start &+ longest)
    guard let lineFeed = ByteScan.lineFeed(input, from: start &+ min(scanned, end &- start), to: end) else {
      scanned = end &- start
      return scanned == longest ? .tooLong : .incomplete
    }
    scanned = 0
    guard lineFeed > start, input[lineFeed &- 1] == 0x0d else { return .malformed }
    return .whole(start..<(lineFeed &- 1))
  }

  /// Whether the extensions so far are in proportion to the content.
  private mutating func accounts(_ size: UInt64, lineLength: Int) -> Bool {
    extensionBytes &+= UInt64(max(0, lineLength &- ChunkSizeLine.longestSize))
    let (total, overflows) = contentBytes.addingReportingOverflow(size)
    // The content of this chunk is only announced: it does not count yet.
    defer { contentBytes = total }
    return !overflows && extensionBytes <= ChunkedDecoder.freeExtensionBytes &+ min(contentBytes, UInt64(Int64.max))
  }

  private mutating func fail(_ error: HeadError) -> Step {
    state = .failed(error)
    return .failed(error)
  }
}
