import Foundation
import Limits
import Proxy
import Reactor
import Telemetry
import Tokens
import Upstream

/// One worker thread: an event loop, and the mailbox through which the control thread speaks to it.
package final class Worker: Sendable {
  package enum Order: Sendable {
    /// Serve this from now on. `listeners` are new sockets; `kept` have new settings, `closed` are gone.
    case install(ProxySnapshot, listeners: ListenerChanges)
    /// Keys that were fetched; nil takes them away. Whoever waited for them goes on.
    case keys(RemoteKeys, KeySet?)
    /// A fetch brought nothing new, or there was none.
    case keysSettled(RemoteKeys)
    /// Nothing is fetched for the key that this is a hash of.
    case keyRefused(RemoteKeys, UInt64)
    /// Another key signs, or one is no longer published.
    case internalTokens(InternalTokens)
    /// What a token's issuer says about it, whose SHA-256 this is.
    case introspected(RemoteIntrospection, digest: [UInt8], IntrospectionAnswer)
    /// What is denied from now on.
    case revocations(RevocationList)
    /// What was told by `loggedOut` with this number is in force everywhere; `isKept`: and where it is to be kept.
    case logoutSettled(UInt64, isKept: Bool)
    /// Stop accepting; end connections as their answers are out.
    case drain
    /// What is still under way ends now.
    case cutOff
    /// Close everything, write the last lines of the access log, and end the thread.
    case stop
  }

  package enum Report: Sendable {
    case ready(Int)
    /// The snapshot of this generation is in force on this worker.
    case installed(UInt64)
    /// A token names a key that its provider's set lacks: a hash of its `kid`. `keysSettled` or `keyRefused` answers.
    case unknownKey(Int, RemoteKeys, UInt64)
    /// An identity provider has ended what the entries name; `logoutSettled` answers with the same number.
    case loggedOut(Int, UInt64, [Revocation])
    /// A token's issuer has to be asked about it. `introspected` answers.
    case introspect(Int, RemoteIntrospection, digest: [UInt8], token: [UInt8], client: ClientAddress)
    /// No client is connected any more.
    case drained(Int)
    /// It has done what `stop` says.
    case stopped(Int)
    case failed(Int, Errno)
    /// A warning for the process's log.
    case said(Int, String)
  }

  package let number: Int
  let log = WorkerLog()
  private let orders: Mailbox<Order>

  package init(number: Int) throws(Errno) {
    self.number = number
    orders = try Mailbox()
  }

  package func post(_ order: Order) { orders.post(order) }

  /// What a worker starts with.
  package struct Start: Sendable {
    package let snapshot: ProxySnapshot
    package let listeners: ListenerChanges
    package let metrics: WorkerCounts
    package let logDescriptor: Int32
    package let tokenCacheBytes: Int
    package let reports: Mailbox<Report>
  }

  package func start(_ start: Start) {
    let thread = Thread { [self] in
      do throws(Errno) {
        try run(start)
        start.reports.post(.stopped(number))
      } catch {
        start.reports.post(.failed(number, error))
      }
    }
    thread.name = "worker \(number)"
    thread.stackSize = 1 << 20
    thread.start()
  }

  private func run(_ start: Start) throws(Errno) {
    let loop = try EventLoop()
    let log: @Sendable (String) -> Void = { [number, log, reports = start.reports] sentence in
      log.hand(over: sentence) { reports.post(.said(number, $0)) }
    }
    let failures = FailureLog(loop: loop, log: log)
    let context = WorkerContext(
      loop: loop, number: number, metrics: WorkerMetrics(start.metrics), snapshot: start.snapshot, logDescriptor: start.logDescriptor,
      tokenCacheBytes: start.tokenCacheBytes, report: log
    ) { backend, endpoint, failure in failures.report(backend, endpoint, failure) }
    context.keyWaiting.ask = { [number] remote, kid in
      start.reports.post(.unknownKey(number, remote, kid))
    }
    context.logouts.post = { [number] logout, entries in start.reports.post(.loggedOut(number, logout, entries)) }
    context.introspectionWaiting.ask = { [number] remote, digest, token, client in
      start.reports.post(.introspect(number, remote, digest: digest, token: token, client: client))
    }
    let listeners = WorkerListeners(context, log)
    // The loop holds what is watched, and that the loop: it ends in order when it has not begun to run, too.
    defer {
      loop.closeAll()
      context.close()
    }
    try listeners.apply(start.listeners)
    context.review(listeners.trust)
    context.onDrained = { [number] in start.reports.post(.drained(number)) }
    try orders.attach(to: loop) { order in
      switch order {
      case .install(let snapshot, let changes):
        context.install(snapshot)
        do throws(Errno) {
          try listeners.apply(changes)
        } catch {
          log("worker \(self.number): a new listener cannot be watched: \(error)")
        }
        context.review(listeners.trust)
        start.reports.post(.installed(snapshot.generation))
      case .keys(let remote, let keySet): context.install(keySet, for: remote)
      case .keysSettled(let remote): context.keyWaiting.settled(remote)
      case .keyRefused(let remote, let kid): context.keyWaiting.refused(remote, kid: kid)
      case .internalTokens(let tokens): context.install(tokens)
      case .introspected(let remote, let digest, let answer): context.install(answer, about: digest, from: remote)
      case .revocations(let list): context.install(list)
      case .logoutSettled(let number, let isKept): context.logouts.settled(number, isKept: isKept)
      case .drain: context.drain()
      case .cutOff: context.cutOff()
      case .stop: loop.stop()
      }
    }
    start.reports.post(.ready(number))
    loop.run()
  }
}

/// What changes among a worker's listeners. Sockets are opened by the control thread, so that an address that cannot be had
/// refuses a reload before anything has changed.
package struct ListenerChanges: Sendable {
  /// Listening sockets that the worker takes over.
  package var opened: [(descriptor: Int32, context: ListenerContext)] = []
  /// New settings of listeners that stay, by name.
  package var updated: [ListenerContext] = []
  /// Names of listeners that are gone.
  package var closed: [String] = []

  package init() {}
}

/// A worker's listeners by name.
final class WorkerListeners {
  private let worker: WorkerContext
  private let log: @Sendable (String) -> Void
  private var listeners: [String: DownstreamListener] = [:]

  init(_ worker: WorkerContext, _ log: @escaping @Sendable (String) -> Void) {
    self.worker = worker
    self.log = log
  }

  /// Whom each listener lets in now.
  var trust: [String: ListenerTrust] { listeners.mapValues(\.context.trust) }

  func apply(_ changes: ListenerChanges) throws(Errno) {
    // One that moves goes on with its count: its connections are still there.
    var moving: [String: ConnectionSeats] = [:]
    for name in changes.closed {
      guard let listener = listeners.removeValue(forKey: name) else { continue }
      moving[name] = listener.seats
      listener.close()
    }
    for context in changes.updated { listeners[context.name]?.context = context }
    for (descriptor, context) in changes.opened {
      let listener = DownstreamListener(
        worker: worker, descriptor: descriptor, context: context, seats: moving[context.name] ?? ConnectionSeats(), report: log)
      try listener.register(.read)
      listeners[context.name] = listener
    }
  }
}
