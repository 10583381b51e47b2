import Tokens

/// One worker's requests that wait for the issuer's word about their tokens (RFC 7662). All that have the same token wait for the
/// same answer.
package final class IntrospectionWaiting {
  /// Asks the control thread about a token, which is `digest`'s SHA-256; an answer always comes back.
  package var ask: (_ remote: RemoteIntrospection, _ digest: [UInt8], _ token: [UInt8]) -> Void = { _, _, _ in }
  private struct Question: Hashable {
    let remote: ObjectIdentifier
    let digest: [UInt8]
  }
  private var waiting: [Question: [Exchange]] = [:]
  private var count = 0
  /// More are refused at once: whoever makes up tokens is not to fill memory with requests that wait.
  private static let maximum = 1024

  /// Whether `exchange` waits now; false when it is to be refused.
  func wait(_ exchange: Exchange, for remote: RemoteIntrospection, _ digest: [UInt8], _ token: UnsafeBufferPointer<UInt8>) -> Bool
  {
    guard count < Self.maximum else { return false }
    let question = Question(remote: ObjectIdentifier(remote), digest: digest)
    count += 1
    exchange.awaitedAnswer = (remote, digest)
    waiting[question, default: []].append(exchange)
    if waiting[question]?.count == 1 { ask(remote, digest, Array(token)) }
    return true
  }

  func forget(_ exchange: Exchange) {
    guard let (remote, digest) = exchange.awaitedAnswer else { return }
    exchange.awaitedAnswer = nil
    let question = Question(remote: ObjectIdentifier(remote), digest: digest)
    guard let index = waiting[question]?.firstIndex(where: { $0 === exchange }) else { return }
    waiting[question]?.remove(at: index)
    if waiting[question]?.isEmpty == true { waiting[question] = nil }
    count -= 1
  }

  /// Those that wait for this answer, and no longer do.
  func take(_ remote: RemoteIntrospection, _ digest: [UInt8]) -> [Exchange] {
    let due = waiting.removeValue(forKey: Question(remote: ObjectIdentifier(remote), digest: digest)) ?? []
    count -= due.count
    return due
  }

  /// For tests.
  var everybody: [Exchange] { waiting.values.flatMap { $0 } }
}

extension WorkerContext {
  /// The issuer has said what it knows about a token, or cannot: whoever waits is looked at again.
  package func install(_ answer: IntrospectionAnswer, about digest: [UInt8], from remote: RemoteIntrospection) {
    let due = introspectionWaiting.take(remote, digest)
    verifier.settle(remote, digest: digest, answer) {
      for exchange in due where exchange.awaitedAnswer?.remote === remote { exchange.answerArrived() }
    }
  }
}
