import FuzzDriver
import HTTP
import HTTP1

/// Whatever the bytes, and however they are cut: no trap, the same answer, and ranges inside of the head.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let seed = bytes.first else { return 0 }
  let input = Array(bytes.dropFirst())
  var whole = RequestHead(fieldCapacity: 32)
  var pieces = RequestHead(fieldCapacity: 32)
  let limits = HeadLimits(headerBytes: 2048, headerCount: 24, uriBytes: 512)

  var parser = RequestParser(limits: limits)
  let expected = parser.parse(input.span, into: &whole)

  parser = RequestParser(limits: limits)
  var progress = HeadProgress.needMore
  var end = 0
  while progress == .needMore, end < input.count {
    end = min(input.count, end + 1 + Int(seed) % 31)
    let piece = Array(input[..<end])
    progress = parser.parse(piece.span, into: &pieces)
  }
  precondition(input.isEmpty || progress == expected, "the answer depends on how the bytes were cut")
  guard expected == .complete else { return 0 }

  precondition(whole.length <= input.count && whole.length <= limits.headerBytes)
  precondition(whole.length == pieces.length && whole.framing == pieces.framing && whole.fields.count == pieces.fields.count)
  precondition(whole.target.end <= whole.length && whole.path.end <= whole.length && whole.query.end <= whole.length)
  precondition(input[whole.length - 4..<whole.length] == [13, 10, 13, 10])
  var lengths = 0
  for index in 0..<whole.fields.count {
    let field = whole.fields[index]
    precondition(field.name.end < field.value.end + 1 && field.value.end <= whole.length)
    precondition(!input[field.name.bounds].contains { $0 <= 0x20 || $0 == 0x3a || $0 >= 0x7f })
    precondition(!input[field.value.bounds].contains { $0 < 0x20 && $0 != 9 || $0 == 0x7f })
    if field.id == .contentLength || field.id == .transferEncoding { lengths += 1 }
  }
  precondition(lengths <= 1, "framed twice")
  precondition((lengths == 0) == (whole.framing == .none))
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzRequest_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
