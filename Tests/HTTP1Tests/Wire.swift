import Bytes
import HTTP

@testable import HTTP1

/// What the tests ask of a parser, in forms that can be compared and printed.
enum Wire {
  struct Request: Equatable {
    var method = ""
    var path = ""
    var query: String?
    var authority = ""
    var framing = BodyFraming.none
    var isPersistent = true
    var expectsContinue = false
    var isWebSocket = false
    var hasConnectionOptions = false
    var length = 0
    var fields: [[String]] = []
  }

  struct Response: Equatable {
    var status = 0
    var reason = ""
    var framing = BodyFraming.none
    var isPersistent = true
    var length = 0
    var fields: [[String]] = []
  }

  enum Outcome<Head: Equatable>: Equatable {
    case head(Head)
    case needMore
    case failed(HeadError)

    var error: HeadError? {
      if case .failed(let error) = self { return error }
      return nil
    }
    var value: Head? {
      if case .head(let head) = self { return head }
      return nil
    }
  }

  /// Parses with the input growing to each of `cuts` bytes and then to all of it, in new memory each time.
  static func request(_ bytes: [UInt8], cuts: [Int] = [], limits: HeadLimits = HeadLimits()) -> Outcome<Request> {
    var parser = RequestParser(limits: limits)
    var head = RequestHead(fieldCapacity: 64)
    for cut in cuts + [bytes.count] {
      let piece = Array(bytes[..<cut])
      switch parser.parse(piece.span, into: &head) {
      case .needMore: continue
      case .failed(let error): return .failed(error)
      case .complete:
        var fields: [[String]] = []
        for index in 0..<head.fields.count {
          fields.append([text(bytes, head.fields[index].name), text(bytes, head.fields[index].value)])
        }
        return .head(
          Request(
            method: text(bytes, head.methodRange), path: text(bytes, head.path),
            query: head.hasQuery ? text(bytes, head.query) : nil,
            authority: text(bytes, head.authority), framing: head.framing, isPersistent: head.isPersistent,
            expectsContinue: head.expectsContinue, isWebSocket: head.isWebSocket,
            hasConnectionOptions: head.hasConnectionOptions,
            length: head.length, fields: fields))
      }
    }
    return .needMore
  }

  static func request(_ text: String, limits: HeadLimits = HeadLimits()) -> Outcome<Request> {
    request(Array(text.utf8), limits: limits)
  }

  static func response(
    _ bytes: [UInt8], cuts: [Int] = [], limits: HeadLimits = HeadLimits(), to method: HTTPMethod = .get
  ) -> Outcome<Response> {
    var parser = ResponseParser(limits: limits)
    var head = ResponseHead(fieldCapacity: 64)
    for cut in cuts + [bytes.count] {
      let piece = Array(bytes[..<cut])
      switch parser.parse(piece.span, into: &head, requestMethod: method) {
      case .needMore: continue
      case .failed(let error): return .failed(error)
      case .complete:
        var fields: [[String]] = []
        for index in 0..<head.fields.count {
          fields.append([text(bytes, head.fields[index].name), text(bytes, head.fields[index].value)])
        }
        return .head(
          Response(
            status: Int(head.status), reason: text(bytes, head.reason), framing: head.framing, isPersistent: head.isPersistent,
            length: head.length, fields: fields))
      }
    }
    return .needMore
  }

  static func response(_ text: String, to method: HTTPMethod = .get) -> Outcome<Response> {
    response(Array(text.utf8), to: method)
  }

  struct Chunks: Equatable {
    var data: [UInt8] = []
    var trailers: [[String]] = []
    /// Bytes of the input that were used up.
    var consumed = 0
  }

  /// Decodes with the input arriving in pieces that end at `cuts`; what a step leaves unconsumed is offered again.
  static func chunks(_ bytes: [UInt8], cuts: [Int] = []) -> Outcome<Chunks> {
    var decoder = ChunkedDecoder()
    var result = Chunks()
    var start = 0
    for cut in cuts + [bytes.count] {
      let piece = Array(bytes[start..<max(start, cut)])
      var consumed = 0
      steps: while true {
        switch decoder.next(piece.span, consumed: &consumed) {
        case .needMore: break steps
        case .data(let range): result.data += piece[range.bounds]
        case .trailer(let name, let value): result.trailers.append([text(piece, name), text(piece, value)])
        case .end:
          result.consumed = start + consumed
          return .head(result)
        case .failed(let error): return .failed(error)
        }
      }
      start += consumed
    }
    return .needMore
  }

  static func chunks(_ text: String) -> Outcome<Chunks> { chunks(Array(text.utf8)) }

  static func text(_ bytes: [UInt8], _ range: ByteRange) -> String {
    String(decoding: bytes[range.bounds], as: UTF8.self)
  }
}
