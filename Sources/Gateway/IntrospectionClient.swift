import Bytes
import Foundation
import HTTP
import Limits
import Reactor
import Resolver
import TLS
import Telemetry
import Tokens

/// One provider's introspection endpoint (RFC 7662): drives its `IntrospectionGate` with questions and time, on the control thread.
/// No token is ever in what it says.
final class IntrospectionClient {
  struct Source {
    enum Credentials {
      /// `client_secret_basic` (RFC 6749 section 2.3.1).
      case secret(String)
      /// `tls_client_auth` (RFC 8705 section 2.1): the certificate is in `tls`.
      case certificate
    }
    let url: HTTPSURL
    let tls: ClientTLSContext
    let clientID: String
    let credentials: Credentials
    let bounds: IntrospectionGate.Bounds
    /// Milliseconds for an answer.
    let timeout: Int
    /// The provider's id in the metrics.
    let metricID: Int
  }

  private(set) var remote: RemoteIntrospection
  private var source: Source
  private let server: RemoteServer
  private let registry: MetricsRegistry
  private let say: (String) -> Void
  /// An answer, for these workers, which asked in the name of the first.
  private let settled: (RemoteIntrospection, _ digest: [UInt8], IntrospectionAnswer, _ workers: Set<Int>) -> Void
  private var gate: IntrospectionGate
  /// What was asked for and is not answered yet.
  private var open: [[UInt8]: Question] = [:]
  private struct Question {
    let token: [UInt8]
    /// Of two snapshots at most, while the second is on its way.
    var askers: [(remote: RemoteIntrospection, workers: Set<Int>)] = []
  }
  private var saidAt: UInt64 = 0
  /// Milliseconds between two complaints in the log.
  private static let quiet: UInt64 = 1_000

  init(
    _ remote: RemoteIntrospection, _ source: Source, loop: EventLoop, resolver: Resolver, buffers: BufferPool,
    registry: MetricsRegistry,
    say: @escaping (String) -> Void,
    settled: @escaping (RemoteIntrospection, _ digest: [UInt8], IntrospectionAnswer, _ workers: Set<Int>) -> Void
  ) {
    self.remote = remote
    self.source = source
    self.registry = registry
    self.say = say
    self.settled = settled
    gate = IntrospectionGate(source.bounds)
    // The gate says how many at once.
    server = RemoteServer(
      source.url, tls: source.tls, loop: loop, resolver: resolver, buffers: buffers, connections: IntrospectionGate.maximumConcurrency)
  }

  /// A reload has changed at most the provider's name, and how often and for how long is asked.
  func adopt(_ remote: RemoteIntrospection, _ source: Source) {
    self.remote = remote
    self.source = source
    gate.adopt(source.bounds)
    while let next = gate.next(now: Clock.milliseconds) { fetch(next) }
  }

  /// The provider is gone from the configuration: whoever waits is told that nobody knows.
  func close() {
    let left = open
    open = [:]
    for (digest, question) in left { settle(question, digest, .unavailable) }
    server.retire()
  }

  /// A worker wants to know about `token`, which is `digest`'s SHA-256; `settled` follows, perhaps before this returns.
  func ask(_ worker: Int, _ remote: RemoteIntrospection, _ digest: [UInt8], _ token: [UInt8], for client: ClientAddress) {
    switch gate.question(digest, for: client, now: Clock.milliseconds) {
    case .answer(let answer): settled(remote, digest, answer, [worker])
    case .refuse:
      registry.countIntrospection(provider: source.metricID, .refused)
      complain("there are more unknown tokens than may be asked about: they are refused with 503")
      settled(remote, digest, .unavailable, [worker])
    case .wait: note(worker, remote, digest, token)
    case .ask:
      note(worker, remote, digest, token)
      fetch(digest, token)
    }
  }

  private func note(_ worker: Int, _ remote: RemoteIntrospection, _ digest: [UInt8], _ token: [UInt8]) {
    var question = open[digest] ?? Question(token: token)
    if let index = question.askers.firstIndex(where: { $0.remote === remote }) {
      question.askers[index].workers.insert(worker)
    } else {
      question.askers.append((remote, [worker]))
    }
    open[digest] = question
  }

  private func settle(_ question: Question, _ digest: [UInt8], _ answer: IntrospectionAnswer) {
    for asker in question.askers { settled(asker.remote, digest, answer, asker.workers) }
  }

  private func fetch(_ digest: [UInt8]) {
    // Every question of the gate's is open here, and is closed when it has an answer.
    guard let token = open[digest]?.token else { return }
    fetch(digest, token)
  }

  private func fetch(_ digest: [UInt8], _ token: [UInt8]) {
    let askedAt = Int64(Clock.realNanoseconds() / 1_000_000_000)
    let request = Fetch.Request(
      method: .post, url: source.url, fields: fields, content: content(token), maximum: IntrospectionAnswer.maximumBytes,
      timeout: source.timeout)
    server.fetch(request) { [weak self] outcome in self?.heard(digest, outcome, askedAt) }
  }

  private func heard(_ digest: [UInt8], _ outcome: Fetch.Outcome, _ askedAt: Int64) {
    let answer: IntrospectionAnswer
    switch outcome {
    case .failed(let reason):
      complain(reason)
      answer = .unavailable
    case .answered(let response) where response.status != 200:
      complain("it answers \(response.status)" + (response.status == 401 ? ": it does not take the gateway's credentials" : ""))
      answer = .unavailable
    case .answered(let response):
      answer = .parse(response.content, askedAt: askedAt)
      if answer == .unavailable { complain("its answer is no JSON object with a boolean `active`") }
    }
    switch answer {
    case .active: registry.countIntrospection(provider: source.metricID, .active)
    case .inactive: registry.countIntrospection(provider: source.metricID, .inactive)
    case .unavailable: registry.countIntrospection(provider: source.metricID, .failure)
    }
    let next = gate.answered(digest, answer, now: Clock.milliseconds)
    if let question = open.removeValue(forKey: digest) { settle(question, digest, answer) }
    if let next { fetch(next) }
  }

  private func complain(_ reason: String) {
    let now = Clock.milliseconds
    guard saidAt == 0 || now >= saidAt + Self.quiet else { return }
    saidAt = now
    say("identity provider \(remote.name): \(source.url.host):\(source.url.port) cannot tell about tokens: \(reason)")
  }

  // MARK: The request

  private var fields: [(name: StaticString, value: [UInt8])] {
    var fields: [(name: StaticString, value: [UInt8])] = [
      ("Accept", Array("application/json".utf8)), ("Content-Type", Array("application/x-www-form-urlencoded".utf8)),
    ]
    if case .secret(let secret) = source.credentials {
      let pair = Self.encoded(source.clientID.utf8) + [0x3a] + Self.encoded(secret.utf8)
      fields.append(("Authorization", Array("Basic \(Data(pair).base64EncodedString())".utf8)))
    }
    return fields
  }

  private func content(_ token: [UInt8]) -> [UInt8] {
    var content = Array("token=".utf8) + Self.encoded(token) + Array("&token_type_hint=access_token".utf8)
    if case .certificate = source.credentials { content += Array("&client_id=".utf8) + Self.encoded(source.clientID.utf8) }
    return content
  }

  /// As forms are encoded: unreserved characters as they are, the rest in percent (RFC 6749 appendix B).
  static func encoded(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    let digits = Array("0123456789ABCDEF".utf8)
    var text: [UInt8] = []
    for byte in bytes {
      if byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || [0x2d, 0x2e, 0x5f, 0x7e].contains(byte) {
        text.append(byte)
      } else {
        text += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return text
  }
}
