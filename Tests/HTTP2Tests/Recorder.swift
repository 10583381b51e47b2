import Bytes
import HTTP
import HTTP2

func text(_ bytes: UnsafeBufferPointer<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// Writes down what a session tells, and does what the test asks for when it does.
final class Recorder: HTTP2Owner {
  var events: [String] = []
  var streams: [Int32: HTTP2Stream] = [:]
  var bodies: [Int32: [UInt8]] = [:]
  /// Consume content as it comes.
  var consumes = true
  /// Forget streams that closed, so that they may be used again.
  var forgets = false
  var keepsEvents = true
  var onHead: ((HTTP2Stream, Bool) -> Void)?
  var onContent: ((HTTP2Stream) -> Void)?
  var onEnd: ((HTTP2Stream) -> Void)?
  var onDrained: ((HTTP2Stream) -> Void)?
  var onClosed: ((HTTP2Stream) -> Void)?
  weak var session: HTTP2Session?

  func record(_ event: String) { if keepsEvents { events.append(event) } }

  /// `GET https example /a ? b {name: value}`
  static func describe(_ stream: HTTP2Stream) -> String {
    let bytes = stream.headBytes.readable
    var result = ""
    func part(_ range: ByteRange) -> String { text(bytes.extracting(range.bounds)) }
    result += part(stream.head.methodRange) + " " + part(stream.head.authority) + " " + part(stream.head.path)
    if stream.head.hasQuery { result += "?" + part(stream.head.query) }
    for index in 0..<stream.head.fields.count {
      let field = stream.head.fields[index]
      result += " \(part(field.name))=\(part(field.value))"
    }
    return result
  }

  override func requestHead(_ stream: HTTP2Stream, endStream: Bool) {
    streams[stream.id] = stream
    if let refusal = stream.headRefusal {
      record("\(stream.id) refused \(refusal)")
    } else {
      record("\(stream.id) \(Recorder.describe(stream))\(endStream ? " END" : "")")
    }
    onHead?(stream, endStream)
  }

  override func responseHead(_ stream: HTTP2Stream, endStream: Bool) {
    let bytes = stream.headBytes.readable
    var line = "\(stream.id) \(stream.responseHead.status)"
    for index in 0..<stream.responseHead.fields.count {
      let field = stream.responseHead.fields[index]
      line += " \(text(bytes.extracting(field.name.bounds)))=\(text(bytes.extracting(field.value.bounds)))"
    }
    record(line + (endStream ? " END" : ""))
    onHead?(stream, endStream)
  }

  override func content(_ stream: HTTP2Stream, _ bytes: UnsafeBufferPointer<UInt8>) {
    if keepsEvents { bodies[stream.id, default: []] += Array(bytes) }
    onContent?(stream)
    if consumes { session?.consume(stream, bytes.count) }
  }

  override func trailer(_ stream: HTTP2Stream, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    record("\(stream.id) trailer \(text(name))=\(text(value))")
  }

  override func messageEnded(_ stream: HTTP2Stream) {
    record("\(stream.id) end")
    onEnd?(stream)
  }

  override func streamReset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) { record("\(stream.id) reset \(code.rawValue)") }

  override func streamClosed(_ stream: HTTP2Stream) {
    record("\(stream.id) closed")
    onClosed?(stream)
    if forgets { streams[stream.id] = nil }
  }

  override func outputDrained(_ stream: HTTP2Stream) {
    record("\(stream.id) drained")
    onDrained?(stream)
  }

  override func goAway(lastStream: Int32, _ code: HTTP2ErrorCode) { record("goaway \(lastStream) \(code.rawValue)") }
}
