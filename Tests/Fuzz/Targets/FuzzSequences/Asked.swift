/// A request that a client has begun, and what has come of it so far.
final class Asked {
  enum Kind: Int, CaseIterable {
    case get, post, unfinished, chunked, unfinishedChunked, head, expects, webSocket, call, old
  }

  let mark: Mark
  let kind: Kind
  let path: String
  let user: Stage.User?
  let size: Int
  /// Of HTTP/2.
  var stream: Int32 = 0
  /// More content may be sent.
  var isSending = false
  /// Bytes of content sent and received.
  var sent = 0
  var received = 0
  /// Heads that came before the final one.
  private var interim = 0
  /// A final head has come; whether it was a backend's.
  var isAnswered = false
  var isBackends = false
  var isTunnel = false
  /// A frame has begun in it that is not at its end.
  var isInFrame = false
  var isOver = false
  /// The answer says itself that it is not whole.
  var isCut = false

  init(mark: Mark, kind: Kind, route: Int, size: Int) {
    self.mark = mark
    self.kind = kind
    self.size = size
    let letter = ["a", "b", "c", "d"][route % 4]
    switch route {
    case 0...3:
      path = "/open/\(letter)/\(mark)"
      user = nil
    case 4: (path, user) = ("/user/a/\(mark)", .ann)
    case 5: (path, user) = ("/user/b/\(mark)", .bob)
    case 6: (path, user) = ("/user/a/\(mark)", .cyd)
    case 7: (path, user) = ("/user/b/\(mark)", .dee)
    case 8: (path, user) = ("/user/a/\(mark)", .eve)
    default:
      path = size % 2 == 0 ? "/brief/\(mark)" : "/small/\(mark)"
      user = nil
    }
  }

  var method: String {
    switch kind {
    case .get, .webSocket, .old: "GET"
    case .head: "HEAD"
    default: "POST"
    }
  }

  var hasLength: Bool { kind == .post || kind == .unfinished || kind == .expects }
  var isChunked: Bool { kind == .chunked || kind == .unfinishedChunked || kind == .call }
  /// All of it goes out with the head.
  var isWhole: Bool {
    switch kind {
    case .unfinished, .unfinishedChunked, .expects, .webSocket: false
    default: true
    }
  }

  /// What the request promises as its content's length: more than what is sent with the head where that is not whole.
  var length: Int { isWhole ? size : size + 1000 }

  /// Fields of its head but for those that frame it.
  func fields(_ stage: Stage) -> [(String, String)] {
    var fields = [("x-mark", mark.description)]
    if let user { fields.append(("authorization", "Bearer " + String(decoding: stage.tokens[user.rawValue], as: UTF8.self))) }
    if kind == .call { fields += [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "7S")] }
    if kind == .expects { fields.append(("expect", "100-continue")) }
    return fields
  }

  /// The next `count` bytes of content.
  func next(_ count: Int) -> [UInt8] {
    defer { sent += count }
    return mark.content(count, at: sent)
  }

  /// A head has come.
  ///
  /// - Parameter value: of a field.
  func answered(_ status: Int, _ value: (String) -> String?) {
    if isOver || isAnswered { violation("\(mark) is answered twice") }
    let answer = value("x-answer")
    if let answer, answer != mark.description { violation("\(mark) gets the answer of \(answer)") }
    guard status >= 200 || status == 101 else {
      interim += 1
      // And the gateway's own.
      if interim > 8 + 1 { violation("\(mark) gets \(interim) interim answers") }
      return
    }
    isAnswered = true
    isBackends = answer != nil
    if !isBackends, kind != .call, status != 308, value("content-type")?.hasPrefix("application/") != true {
      violation("\(mark): \(status) is nobody's answer")
    }
  }

  func content(_ bytes: some Collection<UInt8>) {
    if isOver { violation("\(mark) gets content behind the end of its answer") }
    if isBackends { mark.check(bytes, at: &received, "content of the answer") }
  }
}
