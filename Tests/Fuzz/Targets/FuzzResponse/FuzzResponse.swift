import FuzzDriver
import HTTP
import HTTP1

/// Whatever the bytes, and however they are cut: no trap, the same answer, and ranges inside of the head.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let seed = bytes.first else { return 0 }
  let input = Array(bytes.dropFirst())
  let method: HTTPMethod = seed & 0x80 == 0 ? .get : .head
  var whole = ResponseHead(fieldCapacity: 32)
  var pieces = ResponseHead(fieldCapacity: 32)
  let limits = HeadLimits(headerBytes: 2048, headerCount: 24)

  var parser = ResponseParser(limits: limits)
  let expected = parser.parse(input.span, into: &whole, requestMethod: method)

  parser = ResponseParser(limits: limits)
  var progress = HeadProgress.needMore
  var end = 0
  while progress == .needMore, end < input.count {
    end = min(input.count, end + 1 + Int(seed) % 31)
    let piece = Array(input[..<end])
    progress = parser.parse(piece.span, into: &pieces, requestMethod: method)
  }
  precondition(input.isEmpty || progress == expected, "the answer depends on how the bytes were cut")
  guard expected == .complete else { return 0 }

  precondition(whole.length <= input.count && whole.length <= limits.headerBytes)
  precondition(whole.length == pieces.length && whole.framing == pieces.framing && whole.fields.count == pieces.fields.count)
  precondition(whole.status >= 100 && whole.status < 600 && whole.reason.end <= whole.length)
  for index in 0..<whole.fields.count {
    let field = whole.fields[index]
    precondition(field.value.end <= whole.length)
    precondition(!input[field.value.bounds].contains { $0 < 0x20 && $0 != 9 || $0 == 0x7f })
  }
  if method == .head { precondition(whole.framing == .none) }
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzResponse_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
