import Limits
import Tokens

/// One worker's requests that wait for the issuer's word about their tokens (RFC 7662). All that have the same token wait for the
/// same answer.
///
/// Whoever makes up tokens is not to fill memory with requests that wait, nor the room that others need: each provider has a room, and
/// each client its share of it.
package final class IntrospectionWaiting {
  /// Asks the control thread about a token, which is `digest`'s SHA-256, for `client`; an answer always comes back.
  package var ask: (_ remote: RemoteIntrospection, _ digest: [UInt8], _ token: [UInt8], _ client: ClientAddress) -> Void = { _, _, _, _ in }
  private struct Question: Hashable {
    let remote: ObjectIdentifier
    let digest: [UInt8]
  }
  private struct Waiter {
    let exchange: Exchange
    let client: ClientAddress
  }
  private var waiting: [Question: [Waiter]] = [:]
  private var rooms = FairRooms<ObjectIdentifier, ClientAddress>(single: maximum)
  /// Requests of one client that wait for one provider, where no other client's do; of all together two and a half times as many. More are
  /// refused at once.
  private static let maximum = 1024

  /// Whether `exchange` waits now; false when it is to be refused.
  func wait(_ exchange: Exchange, for remote: RemoteIntrospection, _ digest: [UInt8], _ token: UnsafeBufferPointer<UInt8>) -> Bool
  {
    let question = Question(remote: ObjectIdentifier(remote), digest: digest)
    let waiter = Waiter(exchange: exchange, client: exchange.clientAddress)
    guard rooms.take(in: question.remote, for: waiter.client) else { return false }
    exchange.awaitedAnswer = (remote, digest)
    waiting[question, default: []].append(waiter)
    if waiting[question]?.count == 1 { ask(remote, digest, Array(token), waiter.client) }
    return true
  }

  func forget(_ exchange: Exchange) {
    guard let (remote, digest) = exchange.awaitedAnswer else { return }
    exchange.awaitedAnswer = nil
    let question = Question(remote: ObjectIdentifier(remote), digest: digest)
    guard let index = waiting[question]?.firstIndex(where: { $0.exchange === exchange }),
      let waiter = waiting[question]?.remove(at: index)
    else { return }
    if waiting[question]?.isEmpty == true { waiting[question] = nil }
    rooms.give(in: question.remote, from: waiter.client)
  }

  /// Those that wait for this answer, and no longer do.
  func take(_ remote: RemoteIntrospection, _ digest: [UInt8]) -> [Exchange] {
    let question = Question(remote: ObjectIdentifier(remote), digest: digest)
    let due = waiting.removeValue(forKey: question) ?? []
    for waiter in due { rooms.give(in: question.remote, from: waiter.client) }
    return due.map(\.exchange)
  }

  /// For tests.
  var everybody: [Exchange] { waiting.values.flatMap { $0.map(\.exchange) } }
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
