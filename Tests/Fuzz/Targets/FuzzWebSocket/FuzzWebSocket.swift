import FuzzDriver
import WebSocket

/// Where frames end, worked out from whole frames at once: `nil` where the bytes stop in the middle of one.
private func boundaries(_ bytes: [UInt8]) -> [Int] {
  var ends: [Int] = []
  var start = 0
  while bytes.count - start >= 2 {
    let short = Int(bytes[start + 1] & 0x7f)
    let extra = short == 126 ? 2 : short == 127 ? 8 : 0
    guard bytes.count - start >= 2 + extra else { break }
    var length = UInt64(short)
    if extra > 0 { length = bytes[(start + 2)..<(start + 2 + extra)].reduce(0) { $0 << 8 | UInt64($1) } }
    let head = 2 + extra + (bytes[start + 1] & 0x80 == 0 ? 0 : 4)
    guard length <= UInt64(max(0, bytes.count - start - head)), bytes.count - start >= head else { break }
    start += head + Int(length)
    ends.append(start)
  }
  return ends
}

/// The tracker finds the ends of frames where they are, however the bytes are cut into pieces.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  let expected = boundaries(bytes)

  var tracker = WebSocketFrames()
  var position = 0
  var found: [Int] = []
  while position < bytes.count {
    position += tracker.follow(bytes.span.extracting(position...), untilBoundary: true)
    if tracker.isAtBoundary { found.append(position) }
  }
  precondition(found == expected && position == bytes.count)

  let whole = tracker
  tracker = WebSocketFrames()
  position = 0
  var step = 1
  while position < bytes.count {
    let end = min(bytes.count, position + step)
    precondition(tracker.follow(bytes.span.extracting(position..<end)) == end - position)
    position = end
    precondition(tracker.isAtBoundary == expected.contains(position))
    step = step % 7 + 1
  }
  precondition(tracker.hasClosed == whole.hasClosed)
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzWebSocket_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
