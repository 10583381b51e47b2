import Bytes
import CNghttp2
import FuzzDriver
import HTTP2

/// A connection as nghttp2's HPACK reads it: frame for frame, field for field.
private final class Reading {
  private let bytes: [UInt8]
  private var index = 0
  private var inflater: OpaquePointer?

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    nghttp2_hd_inflate_new(&inflater)
  }

  deinit { nghttp2_hd_inflate_del(inflater) }

  /// The next frame: type, flags and stream; and its payload, or of a whole field section its fields. Nil at the end of the last
  /// whole frame, or behind a section that is not in order.
  func next() -> (header: [UInt8], payload: [UInt8])? {
    guard index + 9 <= bytes.count else { return nil }
    let length = Int(bytes[index]) << 16 | Int(bytes[index + 1]) << 8 | Int(bytes[index + 2])
    guard index + 9 + length <= bytes.count else { return nil }
    let header = Array(bytes[index + 3..<index + 9])
    let payload = bytes[index + 9..<index + 9 + length]
    index += 9 + length
    guard header[0] == 1, header[1] & 4 != 0, header[1] & 8 == 0 else { return (header, Array(payload)) }
    let start = header[1] & 0x20 != 0 ? 5 : 0
    guard payload.count >= start, let fields = fields(payload.dropFirst(start)) else { return nil }
    return (header, payload.prefix(start) + fields)
  }

  private func fields(_ section: ArraySlice<UInt8>) -> [UInt8]? {
    var result: [UInt8] = []
    var rest = section
    while true {
      var field = nghttp2_nv()
      var flags: Int32 = 0
      let count = rest.withUnsafeBufferPointer { nghttp2_hd_inflate_hd2(inflater, &field, &flags, $0.baseAddress, $0.count, 1) }
      guard count >= 0 else { return nil }
      rest = rest.dropFirst(count)
      if UInt32(flags) & NGHTTP2_HD_INFLATE_EMIT.rawValue != 0 {
        result += [field.flags, UInt8(field.namelen & 255), UInt8(field.valuelen & 255)]
        result += UnsafeBufferPointer(start: field.name, count: field.namelen)
        result += UnsafeBufferPointer(start: field.value, count: field.valuelen)
      }
      if UInt32(flags) & NGHTTP2_HD_INFLATE_FINAL.rawValue != 0 { break }
      if count == 0, rest.isEmpty { return nil }
    }
    nghttp2_hd_inflate_end_headers(inflater)
    return result
  }
}

/// Whatever a client sends, again and again, and however it is cut: nghttp2 reads the same in what is handed on.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard count > 1, let start else { return 0 }
  let input = Array(UnsafeBufferPointer(start: start + 1, count: count - 1))
  let bytes = input + input + input
  let piece = start[0] == 0 ? bytes.count : Int(start[0]) * 5
  var expansion = ValueExpansion(preface: 0)
  let buffers = BufferPool(keep: 2)
  var out: [UInt8] = []
  var at = 0
  while at < bytes.count {
    // A copy of its own, so that reading past its end is found out.
    let part = Array(bytes[at..<min(bytes.count, at + piece)])
    let result = part.withUnsafeBufferPointer { expansion.pass($0, buffers, judge: { _, _ in .passes }, endsTooEarly: { _, _ in false }) { out += $0; return 0 } }
    precondition(result == 0 && expansion.allocated <= 4_100 + 4 + 4_096 * 8 / 5)
    at += part.count
  }
  let (before, after) = (Reading(bytes), Reading(out))
  while let frame = before.next() {
    guard let same = after.next() else { preconditionFailure("a frame is missing") }
    precondition(frame.header == same.header && frame.payload == same.payload, "a frame says something else")
  }
  precondition(after.next() == nil, "a frame too many")
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzValueExpansion_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
