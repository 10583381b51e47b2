import Bytes
import FuzzDriver
import HTTP1

private struct Decoded: Equatable {
  var data: [UInt8] = []
  var trailers = 0
  var consumed = 0
  var last = ChunkedDecoder.Step.needMore
}

private func decode(_ input: [UInt8], pieces size: Int) -> Decoded {
  var decoder = ChunkedDecoder()
  var result = Decoded()
  var end = 0
  repeat {
    end = min(input.count, end + size)
    let piece = Array(input[result.consumed..<end])
    var consumed = 0
    steps: while true {
      let step = decoder.next(piece.span, consumed: &consumed)
      switch step {
      case .needMore: break steps
      case .data(let range): result.data += piece[range.bounds]
      case .trailer(_, let value):
        precondition(!piece[value.bounds].contains { $0 == 0 || $0 == 13 || $0 == 10 })
        result.trailers += 1
      case .end, .failed:
        result.consumed += consumed
        result.last = step
        return result
      }
    }
    result.consumed += consumed
  } while end < input.count
  return result
}

/// Decoding does not depend on the cuts, and undoes encoding.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let seed = bytes.first else { return 0 }
  let input = Array(bytes.dropFirst())

  let whole = decode(input, pieces: max(1, input.count))
  precondition(decode(input, pieces: 1 + Int(seed) % 31) == whole, "the answer depends on how the bytes were cut")
  precondition(whole.data.count <= whole.consumed && whole.consumed <= input.count)

  var queue = ByteQueue()
  var rest = input[...]
  while !rest.isEmpty {
    let run = Array(rest.prefix(1 + Int(seed) * 3))
    rest = rest.dropFirst(run.count)
    ChunkedEncoder.append(run.span, into: &queue)
  }
  ChunkedEncoder.end(into: &queue)
  let encoded = Array(queue.readable)
  let decoded = decode(encoded, pieces: 1 + Int(seed))
  precondition(decoded.last == .end && decoded.data == input && decoded.consumed == encoded.count)
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzChunked_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
