import Bytes
import HTTP

extension HTTP2Stream {
  /// What became of a field.
  enum Reception { case kept, refused, abusive }

  func beginRequestHead() {
    beginSection()
    head.reset()
    headBytes.removeAll()
    crumbs.removeAll()
    scheme = .empty
    pseudoPath = .empty
    pseudoAuthority = .empty
    pseudoProtocol = .empty
    hasProtocol = false
    hostField = .empty
    hasContentLength = false
    expectsContinue = false
  }

  /// Counts a field before anything is done about it.
  func countField(_ name: Int, _ value: Int, _ limits: HTTP2Limits.Head) -> Reception {
    fieldsSeen &+= 1
    sectionBytes &+= name &+ value &+ 32
    let factor = HTTP2Limits.abusiveHead
    if fieldsSeen > limits.count &* factor || sectionBytes > limits.bytes &* factor { return .abusive }
    return sectionBytes > limits.bytes ? .refused : .kept
  }

  /// Takes a field of a request's head. nghttp2 has seen to it that names are in lower case, that values hold no control byte and
  /// no white space at either end, that pseudo-headers are known, come first and once, and that there are no connection-specific
  /// fields.
  func addRequestField(
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
      addPseudoHeader(name.span, value)
    } else {
      addRegular(name, value, limits)
    }
    return headRefusal == nil ? .kept : .refused
  }

  /// The first fault is the one that is told.
  func refuseHead(_ error: HTTP2HeadError) {
    if headRefusal == nil { headRefusal = error }
  }

  private func addPseudoHeader(_ name: Span<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    let range = appendToHead(value)
    // The names are told apart by nghttp2; the lengths 5, 7 and 10 are `:path`, `:method` or `:scheme`, and `:authority`.
    if name.equals(":method") {
      head.methodRange = range
    } else if name.equals(":path") {
      pseudoPath = range
    } else if name.equals(":authority") {
      pseudoAuthority = range
    } else if name.equals(":scheme") {
      scheme = range
    } else if name.equals(":protocol") {
      pseudoProtocol = range
      hasProtocol = true
    } else {
      refuseHead(.badRequest)
    }
  }

  func appendToHead(_ bytes: UnsafeBufferPointer<UInt8>) -> ByteRange {
    let start = headBytes.count
    headBytes.append(bytes)
    return ByteRange(offset: start, count: bytes.count)
  }

  /// A field as it stands in the head.
  func appendToHead(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, _ id: FieldName) -> HeaderField {
    let start = headBytes.count
    headBytes.append(name, value)
    return HeaderField(
      name: ByteRange(offset: start, count: name.count), value: ByteRange(offset: start &+ name.count, count: value.count), id: id
    )
  }

  private func addRegular(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, _ limits: HTTP2Limits.Head) {
    let id = FieldName(recognising: name.span)
    if id == .cookie {
      if !crumbs.isEmpty { crumbs.append("; ") }
      crumbs.append(value)
      return
    }
    guard head.fields.count < limits.count else { return refuseHead(.headersTooLarge) }
    let field = appendToHead(name, value, id)
    guard head.fields.append(field) else { return refuseHead(.headersTooLarge) }
    switch id {
    case .other: break
    case .host:
      guard hostField.isEmpty else { return refuseHead(.badHost) }
      hostField = field.value
    case .contentLength:
      // nghttp2 refuses a second `content-length`, but `content_length` may be one to a backend that maps `_` to `-`.
      guard !hasContentLength, name[7] == UInt8(ascii: "-"), let length = ContentLength.read(value.span) else {
        return refuseHead(.badFraming)
      }
      hasContentLength = true
      head.framing = .length(length)
    case .transferEncoding:
      refuseHead(.badFraming)
    case .connection, .keepAlive, .proxyConnection, .upgrade:
      refuseHead(.badRequest)
    case .expect:
      guard value.span.equalsIgnoringCase("100-continue") else { return refuseHead(.expectationFailed) }
      expectsContinue = true
    default: break
    }
  }

  // MARK: End

  /// The field section is whole. Afterwards the head is complete, or `headRefusal` is set.
  func finishRequestHead(endStream: Bool, _ limits: HTTP2Limits.Head) {
    guard headRefusal == nil else { return finishRefused() }
    if !crumbs.isEmpty { appendCookie(limits) }
    let method = headBytes.readable.extracting(head.methodRange.bounds).span
    guard TokenByte.isToken(method) else { return refuse(.badRequest) }
    head.method = HTTPMethod(token: method)
    if head.method == .other, HTTPMethod.isMisspelt(method) { return refuse(.badRequest) }
    if hasProtocol, let error = readProtocol(endStream: endStream) { return refuse(error) }
    if let error = readAuthority() ?? readTarget(limits) { return refuse(error) }
    if !hasContentLength, !head.isWebSocket { head.framing = endStream ? .none : .stream }
    var hasContent = !endStream
    if case .length(let length) = head.framing {
      promised = length
      if length == 0 { hasContent = false }
    }
    head.expectsContinue = expectsContinue && hasContent
    head.length = headBytes.count
  }

  private func refuse(_ error: HTTP2HeadError) {
    refuseHead(error)
    finishRefused()
  }

  /// What is known serves the answer and the log: the method decides whether the answer has content.
  private func finishRefused() {
    head.method = HTTPMethod(token: headBytes.readable.extracting(head.methodRange.bounds).span)
    head.length = headBytes.count
    discardsContent = true
  }

  private func appendCookie(_ limits: HTTP2Limits.Head) {
    guard head.fields.count < limits.count else { return refuseHead(.headersTooLarge) }
    let start = headBytes.count
    headBytes.append("cookie")
    let value = appendToHead(crumbs.readable)
    if !head.fields.append(HeaderField(name: ByteRange(offset: start, count: 6), value: value, id: .cookie)) {
      refuseHead(.headersTooLarge)
    }
  }

  private func readAuthority() -> HTTP2HeadError? {
    guard headRefusal == nil else { return headRefusal }
    let bytes = headBytes.readable
    head.authority = pseudoAuthority.isEmpty ? hostField : pseudoAuthority
    let authority = bytes.extracting(head.authority.bounds).span
    guard Authority(authority) != nil else { return .badHost }
    if !pseudoAuthority.isEmpty, !hostField.isEmpty,
      !authority.equalsIgnoringCase(bytes.extracting(hostField.bounds).span)
    {
      return .badHost
    }
    return nil
  }

  /// Extended CONNECT (RFC 8441 section 4): only for `websocket`, and then it is to policy the GET that it would be in HTTP/1.1.
  private func readProtocol(endStream: Bool) -> HTTP2HeadError? {
    let name = headBytes.readable.extracting(pseudoProtocol.bounds).span
    guard head.method == .connect, name.equals("websocket"), !endStream else { return .badRequest }
    guard !hasContentLength else { return .badFraming }
    head.isWebSocket = true
    head.method = .get
    let start = headBytes.count
    headBytes.append(HTTPMethod.get.token)
    head.methodRange = ByteRange(offset: start, count: headBytes.count - start)
    head.framing = .none
    return nil
  }

  /// `:scheme` and `:path` (RFC 9113 section 8.3.1).
  private func readTarget(_ limits: HTTP2Limits.Head) -> HTTP2HeadError? {
    let bytes = headBytes.readable
    if head.method == .connect {
      // Without a port nobody knows where the tunnel should lead.
      guard Authority(bytes.extracting(head.authority.bounds).span)?.port != nil else { return .badRequest }
      head.target = head.authority
      return nil
    }
    let scheme = bytes.extracting(self.scheme.bounds).span
    guard scheme.equalsIgnoringCase("https") || scheme.equalsIgnoringCase("http") else { return .badRequest }
    guard pseudoPath.length <= limits.uriBytes else { return .uriTooLong }
    let path = bytes.extracting(pseudoPath.bounds)
    head.target = pseudoPath
    head.path = pseudoPath
    if path.count == 1, path[0] == UInt8(ascii: "*") { return head.method == .options ? nil : .badRequest }
    guard let first = path.first, first == UInt8(ascii: "/") else { return .badRequest }
    for index in path.indices {
      let byte = path[index]
      guard byte > 0x20, byte < 0x7f else { return .badRequest }
      if byte == UInt8(ascii: "#") { return .badPath }
      if byte == UInt8(ascii: "?"), !head.hasQuery {
        head.hasQuery = true
        head.path = ByteRange(offset: pseudoPath.start, count: index)
        head.query = ByteRange(offset: pseudoPath.start &+ index &+ 1, count: path.count &- index &- 1)
      }
    }
    return nil
  }
}
