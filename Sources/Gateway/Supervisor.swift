import CLinux
import Configuration
import Foundation
import Logging
import Proxy
import Reactor
import Synchronization
import Telemetry
import TLS
import Upstream

/// The control thread: starts the workers, owns signals, configuration and the admin listener, and ends the process.
///
/// Nothing here is on a request's path. What it decides reaches the workers as messages.
package final class Supervisor {
  /// Exit codes of the contract.
  package enum Exit: Int32 {
    case done = 0
    case failed = 1
    case badConfiguration = 2
  }

  private let path: String
  private var logger: Logger
  private let registry: MetricsRegistry
  private let loop: EventLoop
  private let reports: Mailbox<Worker.Report>
  private let names = NameRefresher()
  private var builder: SnapshotBuilder
  private var workers: [Worker] = []
  private var current: BuiltSnapshot
  private var status = GatewayStatus()
  private var accessLog: AccessLogFile
  private var adminListener: AdminListener?
  /// Workers that have yet to install the snapshot on its way, and what becomes current when they have.
  private var pendingInstalls = 0
  private var arriving: BuiltSnapshot?
  private var reloadRequested = false
  private var undrained: Set<Int> = []
  private var exit: Exit?
  private let onReady: () -> Void

  private static let signals = [SIGHUP, SIGTERM, SIGINT, SIGUSR1]
  /// Bytes for verified tokens, all workers together.
  private static let tokenCacheBytes = 64 << 20

  private init(
    path: String, first: BuiltSnapshot, builder: SnapshotBuilder, registry: MetricsRegistry, onReady: @escaping () -> Void
  ) throws(Errno) {
    self.path = path
    self.builder = builder
    self.registry = registry
    self.onReady = onReady
    current = first
    logger = ProcessLog.make(level: first.configuration.process.logLevel)
    loop = try EventLoop()
    reports = try Mailbox()
    accessLog = try AccessLogFile(first.configuration.accessLog)
  }

  private static func makeRegistry() -> MetricsRegistry {
    MetricsRegistry(
      vocabulary: MetricVocabulary(
        denialCodes: GatewayError.allCases.map { "\($0.code)" }, handshakeResults: HandshakeOutcome.allCases.map(\.word),
        upstreamResults: UpstreamOutcome.allCases.map(\.word)))
  }

  /// One worker a core, unless the configuration says otherwise.
  private static func workerCount(_ settings: ProcessSettings) -> Int {
    settings.workers > 0 ? settings.workers : Int(gh_available_processors())
  }

  // MARK: Commands

  /// `gatehouse check`: everything a start would look at. Prints what it finds.
  package static func check(path: String) -> Exit {
    let builder = SnapshotBuilder(names: MetricNames(), tickets: TicketKeyRing(), workers: 1)
    switch builder.build(path: path, generation: 1) {
    case .rejected(let diagnostics):
      complain(diagnostics)
      return .badConfiguration
    case .built(let built):
      for warning in built.warnings { print("warning: \(warning)") }
      let configuration = built.configuration
      print(
        "ok: \(count(configuration.listeners, "listener")), \(count(configuration.identityProviders, "identity provider")), "
          + "\(count(configuration.backends, "backend")), \(count(configuration.routes, "route"))")
      return .done
    }
  }

  private static func count<Element>(_ list: [Element], _ name: String) -> String {
    "\(list.count) \(name)\(list.count == 1 ? "" : "s")"
  }

  /// `gatehouse run`: serves in the foreground until a signal ends it.
  ///
  /// - Parameter onReady: called once every listener accepts.
  package static func run(path: String, onReady: @escaping () -> Void = {}) -> Exit {
    // Before any thread is started: threads inherit the mask, and signals then come through the loop alone.
    SignalSource.block(signals)
    signal(SIGPIPE, SIG_IGN)
    // A gateway needs two descriptors for each client.
    gh_raise_descriptor_limit()
    let registry = makeRegistry()
    let tickets = TicketKeyRing()
    // The number of workers is itself configured, and limits are shared out among them: read once to learn it.
    let probe = SnapshotBuilder(names: registry.names, tickets: tickets, workers: 1)
    guard case .built(let first) = report(probe.build(path: path, generation: 1)) else { return .badConfiguration }
    let count = workerCount(first.configuration.process)
    let builder = SnapshotBuilder(names: registry.names, tickets: tickets, workers: count)
    guard case .built(let built) = report(builder.build(path: path, generation: 1)) else { return .badConfiguration }
    do throws(Errno) {
      let supervisor = try Supervisor(path: path, first: built, builder: builder, registry: registry, onReady: onReady)
      return supervisor.serve(workers: count)
    } catch {
      FileHandle.standardError.write(Data("gatehouse: cannot start: \(error)\n".utf8))
      return .failed
    }
  }

  private static func report(_ result: SnapshotBuilder.Result) -> SnapshotBuilder.Result {
    if case .rejected(let diagnostics) = result { complain(diagnostics) }
    return result
  }

  private static func complain(_ diagnostics: [Diagnostic]) {
    var text = diagnostics.map(\.description).joined(separator: "\n")
    text += "\n\(diagnostics.count) error\(diagnostics.count == 1 ? "" : "s"); nothing was applied\n"
    FileHandle.standardError.write(Data(text.utf8))
  }

  // MARK: Serving

  private func serve(workers count: Int) -> Exit {
    for warning in current.warnings { logger.warning("\(warning)") }
    do throws(ListenFailure) {
      let changes = try openListeners(current, instead: nil, workers: count)
      try openAdmin(current)
      try startWorkers(changes)
    } catch {
      FileHandle.standardError.write(Data("\(error.diagnostic)\n".utf8))
      loop.closeAll()
      return .failed
    }
    names.watch(current.namedEndpoints)
    names.start()
    publish(current)
    while exit == nil { loop.turn() }
    loop.closeAll()
    return exit ?? .done
  }

  private func startWorkers(_ changes: [ListenerChanges]) throws(ListenFailure) {
    let logger = self.logger
    do throws(Errno) {
      try reports.attach(to: loop) { [unowned self] in heard($0) }
      try SignalSource(loop: loop, signals: Self.signals) { [unowned self] in caught($0) }.register(.read)
      for (number, listeners) in changes.enumerated() {
        let worker = try Worker(number: number)
        workers.append(worker)
        worker.start(
          Worker.Start(
            snapshot: current.proxy, listeners: listeners, metrics: registry.addWorker(), logDescriptor: accessLog.descriptor,
            tokenCacheBytes: Self.tokenCacheBytes / changes.count, reports: reports, log: { logger.warning("\($0)") }))
      }
    } catch {
      throw ListenFailure(Diagnostic(SourceLocation(file: path, line: 1, column: 1), "cannot start: \(error)"))
    }
    notReady = Set(workers.map(\.number))
  }

  private var notReady: Set<Int> = []

  private func heard(_ report: Worker.Report) {
    switch report {
    case .ready(let number):
      notReady.remove(number)
      if notReady.isEmpty { announce() }
    case .installed(let generation):
      guard let arriving, arriving.proxy.generation == generation else { return }
      pendingInstalls -= 1
      if pendingInstalls == 0 { completeReload(arriving) }
    case .drained(let number):
      undrained.remove(number)
      if status.isDraining, undrained.isEmpty { exit = .done }
    case .failed(let number, let error):
      logger.critical("worker \(number) failed: \(error)")
      exit = .failed
    }
  }

  private func announce() {
    var places = current.listeners.map { "\($0.context.name) \($0.address.text)" }
    if let admin = current.configuration.admin { places.append("admin \(admin.address.value.text)") }
    FileHandle.standardError.write(Data("ready: \(places.joined(separator: ", "))\n".utf8))
    onReady()
    ColdPages.release()
  }

  /// Makes `built` what the process says of itself.
  private func publish(_ built: BuiltSnapshot) {
    current = built
    status.generation = built.proxy.generation
    status.sha256 = built.sha256
    status.files = built.files
    status.loadedAt = .now
    status.lastRefusal = nil
    status.keysAvailable = built.proxy.providers.allSatisfy { $0.keySet != nil }
    registry.setGeneration(built.proxy.generation)
    registry.setCertificates(built.certificates)
    names.watch(built.namedEndpoints)
  }

  // MARK: Signals

  private func caught(_ signal: Int32) {
    switch signal {
    case SIGHUP: reload()
    case SIGUSR1:
      do throws(Errno) {
        try accessLog.reopen()
      } catch {
        logger.error("the access log cannot be opened again: \(error)")
      }
    default: drain(signal)
    }
  }

  /// SIGHUP: read, validate, compile, publish. On any error what is in force stays in force.
  private func reload() {
    guard !status.isDraining else { return }
    guard arriving == nil else {
      // Workers are still taking the last one over; look again when they are done.
      reloadRequested = true
      return
    }
    let generation = current.proxy.generation + 1
    switch builder.build(path: path, generation: generation) {
    case .rejected(let diagnostics): refuseReload(diagnostics)
    case .built(let built):
      do throws(ListenFailure) {
        let changes = try openListeners(built, instead: current, workers: workers.count)
        for warning in built.warnings { logger.warning("\(warning)") }
        warnOfWhatNeedsARestart(built)
        arriving = built
        pendingInstalls = workers.count
        for (worker, listeners) in zip(workers, changes) { worker.post(.install(built.proxy, listeners: listeners)) }
      } catch {
        refuseReload([error.diagnostic])
      }
    }
  }

  private func refuseReload(_ diagnostics: [Diagnostic]) {
    registry.countReload(.failure)
    status.lastRefusal = (.now, diagnostics.map(\.description))
    for diagnostic in diagnostics { logger.error("\(diagnostic)") }
    logger.error("reload refused: configuration \(current.proxy.generation) stays in force")
  }

  private func completeReload(_ built: BuiltSnapshot) {
    arriving = nil
    if built.configuration.accessLog != current.configuration.accessLog {
      do throws(Errno) {
        try accessLog.reopen(built.configuration.accessLog)
      } catch {
        logger.error("the access log cannot be opened: \(error)")
      }
    }
    logger.logLevel = Logger.Level(rawValue: built.configuration.process.logLevel) ?? logger.logLevel
    publish(built)
    registry.countReload(.success)
    logger.notice("configuration \(built.proxy.generation) is in force (sha256 \(built.sha256))")
    if reloadRequested {
      reloadRequested = false
      reload()
    } else {
      ColdPages.release()
    }
  }

  private func warnOfWhatNeedsARestart(_ built: BuiltSnapshot) {
    if Self.workerCount(built.configuration.process) != workers.count {
      logger.warning("process.workers has changed: it takes effect with a restart")
    }
    if built.configuration.admin?.address != current.configuration.admin?.address {
      logger.warning("admin.address has changed: it takes effect with a restart")
    }
  }

  /// SIGTERM, SIGINT: stop accepting, let what is in flight finish, exit. A second one does not wait.
  private func drain(_ signal: Int32) {
    guard !status.isDraining else {
      exit = .done
      return
    }
    status.isDraining = true
    let limit = current.configuration.process.drain
    logger.notice("draining for at most \(limit / 1000) s")
    undrained = Set(workers.map(\.number))
    for worker in workers { worker.post(.drain) }
    do throws(Errno) {
      try Alarm(loop: loop, after: limit) { [unowned self] in
        logger.warning("the drain time is over; clients that are still connected are cut off")
        exit = .done
      }
    } catch {
      exit = .done
    }
  }

  // MARK: Listeners

  /// An address that cannot be had, and where it is written.
  struct ListenFailure: Error {
    let diagnostic: Diagnostic
    init(_ diagnostic: Diagnostic) { self.diagnostic = diagnostic }
  }

  /// What each worker has to change to listen as `next` says. Opens what is new; touches nothing that is there.
  private func openListeners(
    _ next: BuiltSnapshot, instead old: BuiltSnapshot?, workers count: Int
  ) throws(ListenFailure) -> [ListenerChanges] {
    var changes = Array(repeating: ListenerChanges(), count: count)
    let before = Dictionary(uniqueKeysWithValues: (old?.listeners ?? []).map { ($0.context.name, $0.address) })
    for name in before.keys where !next.listeners.contains(where: { $0.context.name == name && $0.address == before[name] }) {
      for index in changes.indices { changes[index].closed.append(name) }
    }
    var opened: [Int32] = []
    for listener in next.listeners {
      if before[listener.context.name] == listener.address {
        for index in changes.indices { changes[index].updated.append(listener.context) }
        continue
      }
      do throws(Errno) {
        // A unix-domain socket has one queue: all workers accept from it.
        let isUnix = if case .unix = listener.address { true } else { false }
        guard let address = listener.address.resolve() else { throw Errno(EADDRNOTAVAIL) }
        // SO_REUSEPORT would share an address with another gateway without a word; a socket without it is refused instead.
        if !isUnix { _ = close(try Listener.open(address, reusePort: false)) }
        var shared: Int32 = -1
        for index in changes.indices {
          let descriptor: Int32
          if isUnix, shared >= 0 {
            descriptor = Int32(try Syscall.require { Int(gh_duplicate(shared)) })
          } else {
            descriptor = try Listener.open(address, reusePort: true)
            shared = descriptor
          }
          opened.append(descriptor)
          changes[index].opened.append((descriptor, listener.context))
        }
      } catch {
        for descriptor in opened { _ = close(descriptor) }
        throw ListenFailure(Diagnostic(listener.location, "cannot listen on \(listener.address.text): \(error)"))
      }
    }
    return changes
  }

  private func openAdmin(_ built: BuiltSnapshot) throws(ListenFailure) {
    guard let settings = built.configuration.admin else { return }
    do throws(Errno) {
      guard let address = settings.address.value.resolve() else { throw Errno(EADDRNOTAVAIL) }
      let descriptor = try Listener.open(address, reusePort: false)
      let listener = AdminListener(loop: loop, descriptor: descriptor) { [unowned self] in answerAdmin($0) }
      try listener.register(.read)
      adminListener = listener
    } catch {
      throw ListenFailure(Diagnostic(settings.address.location, "cannot listen on \(settings.address.value.text): \(error)"))
    }
  }

  private func answerAdmin(_ path: String) -> AdminResponse {
    switch path {
    case "/healthz": return AdminResponse(200, "ok\n")
    case "/readyz":
      guard notReady.isEmpty else { return AdminResponse(503, "starting\n") }
      if let reason = status.unreadiness { return AdminResponse(503, reason + "\n") }
      return AdminResponse(200, "ready\n")
    case "/metrics": return AdminResponse(200, MetricsRegistry.contentType, registry.render())
    case "/config": return AdminResponse(200, "application/json", status.json)
    case "/.well-known/jwks.json": return AdminResponse(200, "application/jwk-set+json", current.proxy.publishedKeys)
    default:
      return AdminResponse(404, "not found; there are /healthz /readyz /metrics /config /.well-known/jwks.json\n")
    }
  }
}

/// One deadline on the control loop.
final class Alarm: Channel {
  private let ring: () -> Void

  @discardableResult
  init(loop: EventLoop, after milliseconds: Int, _ ring: @escaping () -> Void) throws(Errno) {
    self.ring = ring
    let descriptor = Int32(try Syscall.require { Int(eventfd(0, Int32(EFD_CLOEXEC))) })
    super.init(loop: loop, descriptor: descriptor)
    try register([])
    setDeadline(max(1, milliseconds))
  }

  override func deadlineReached() {
    ring()
    close()
  }
}
