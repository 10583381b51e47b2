import Bytes
import HTTP

extension HTTP2Stream {
  func beginResponseHead() {
    beginSection()
    responseHead.reset()
    headBytes.removeAll()
    hasContentLength = false
  }

  /// Takes a field of a response's head, interim or final; what nghttp2 sees to is said at `addRequestField`.
  func addResponseField(
    _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, _ limits: HTTP2Limits.Head
  ) -> Reception {
    switch countField(name.count, value.count, limits) {
    case .abusive: return .abusive
    case .refused:
      refuseHead(.headersTooLarge)
      return .refused
    case .kept: break
    }
    guard headRefusal == nil else { return .refused }
    if let first = name.first, first == UInt8(ascii: ":") {
      guard name.span.equals(":status"), let status = HTTP2Stream.status(value) else {
        refuseHead(.badRequest)
        return .refused
      }
      responseHead.status = status
      return .kept
    }
    let id = FieldName(recognising: name.span)
    guard responseHead.fields.count < limits.count else {
      refuseHead(.headersTooLarge)
      return .refused
    }
    let field = appendToHead(name, value, id)
    if !responseHead.fields.append(field) { refuseHead(.headersTooLarge) }
    switch id {
    case .contentLength:
      if !hasContentLength, name[7] == UInt8(ascii: "-"), let length = ContentLength.read(value.span) {
        hasContentLength = true
        responseHead.framing = .length(length)
      } else {
        refuseHead(.badFraming)
      }
    case .transferEncoding: refuseHead(.badFraming)
    case .connection, .keepAlive, .proxyConnection, .upgrade: refuseHead(.badRequest)
    default: break
    }
    return headRefusal == nil ? .kept : .refused
  }

  /// The field section is whole. Afterwards the head is complete, or `headRefusal` is set.
  func finishResponseHead(endStream: Bool) {
    guard headRefusal == nil else { return }
    let status = responseHead.status
    // 101 means nothing here (RFC 9113 section 8.6), and what is interim cannot be the end.
    guard status != 0, status != 101, !(status < 200 && endStream) else { return refuseHead(.badRequest) }
    if status < 200 || status == 204 || status == 304 || isHeadRequest {
      responseHead.framing = .none
    } else if isTunnelRequest, status < 300 {
      // What follows is the tunnel's, whatever length the head may have promised (RFC 9110 section 9.3.6).
      responseHead.framing = .stream
    } else if !hasContentLength {
      responseHead.framing = endStream ? .none : .stream
    }
    responseHead.length = headBytes.count
    if status >= 200 { hasFinalHead = true }
  }

  /// Three digits, from 100 to 599 (RFC 9110 section 15).
  private static func status(_ value: UnsafeBufferPointer<UInt8>) -> UInt16? {
    guard value.count == 3, value[0] &- 0x31 < 5, value[1] &- 0x30 < 10, value[2] &- 0x30 < 10 else { return nil }
    return UInt16(value[0] &- 0x30) &* 100 &+ UInt16(value[1] &- 0x30) &* 10 &+ UInt16(value[2] &- 0x30)
  }
}
