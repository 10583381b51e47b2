/// What clients have asked and backends have answered, by the request's name: each side is held against the other.
final class Ledger {
  struct Answer {
    /// Bytes of content so far.
    var count = 0
    /// No more comes.
    var isWhole = false
  }

  private(set) var asked: [Mark: Asked] = [:]
  private var answers: [Mark: Answer] = [:]
  private var last = 0

  func ask(_ kind: Asked.Kind, route: Int, size: Int) -> Asked {
    last += 1
    let request = Asked(mark: Mark(last), kind: kind, route: route, size: size)
    asked[request.mark] = request
    return request
  }

  subscript(mark: Mark) -> Answer {
    get { answers[mark] ?? Answer() }
    set { answers[mark] = newValue }
  }

  /// An answer has come to its end at the client: it is the one that was given, and all of it.
  func checkEnd(_ request: Asked) {
    guard request.isBackends, !request.isTunnel, !request.isCut, request.kind != .head else { return }
    let answer = self[request.mark]
    guard answer.isWhole, answer.count == request.received else {
      violation(
        "\(request.mark) takes \(request.received) bytes for the whole of an answer of "
          + "\(answer.count)\(answer.isWhole ? "" : ", and more to come")")
    }
  }

  /// A request has come to its end at the backend.
  func checkEnd(_ mark: Mark, received: Int) {
    guard let request = asked[mark] else { return }
    guard !request.isSending, request.sent == received else {
      violation("\(mark) ends at the backend behind \(received) bytes, of \(request.sent)\(request.isSending ? " and more to come" : "")")
    }
  }
}
