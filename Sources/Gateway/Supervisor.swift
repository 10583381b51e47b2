import CLinux
import Configuration
import Foundation
import Logging
import Proxy
import Reactor
import Synchronization
import TLS
import Telemetry
import Tokens
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

  let path: String
  var logger: Logger
  let registry: MetricsRegistry
  let loop: EventLoop
  let reports: Mailbox<Worker.Report>
  let names: Names
  let remoteKeys: RemoteKeySets
  let revocation: RevocationFeeds
  let introspections: RemoteIntrospections
  var builder: SnapshotBuilder
  var workers: [Worker] = []
  var current: BuiltSnapshot
  var status = GatewayStatus()
  var accessLog: AccessLogFile
  var adminListener: AdminListener?
  var socketFiles = SocketFiles()
  /// Workers that have yet to install the snapshot on its way, and what becomes current when they have.
  var pendingInstalls = 0
  var arriving: BuiltSnapshot?
  /// The access log of the one on its way, if it is another.
  var arrivingLog: AccessLogFile.Opened?
  var reloadRequested = false
  /// There once the workers are.
  var reader: ConfigurationReader?
  var isReading = false
  var undrained: Set<Int> = []
  /// How far the end has come, and the workers that have yet to end.
  var isCuttingOff = false
  var isStopping = false
  var unstopped: Set<Int> = []
  /// For the next step of the end.
  var endTimer: LoopTimer?
  /// The signing keys in force, and what is made of them at this moment.
  var signing: SigningPlan?
  var signingMoment: KeySchedule.Moment?
  var internalTokens = InternalTokens.none
  var signingTimer: LoopTimer?
  var latestSigningTime: Int64 = 0
  /// Versions of the manifest that were refused, or that could not be written to: told once.
  var refusedManifest: KeyDirectory.Stamp?
  var unwritableManifest: KeyDirectory.Stamp?
  var exit: Exit?
  let onReady: () -> Void

  static let signals = [SIGHUP, SIGTERM, SIGINT, SIGUSR1]
  /// Bytes for verified tokens, all workers together.
  private static let tokenCacheBytes = 64 << 20

  private init(
    path: String, first: BuiltSnapshot, builder: SnapshotBuilder, registry: MetricsRegistry, remoteKeys: RemoteKeySets,
    revocation: RevocationFeeds, introspections: RemoteIntrospections, accessLog: AccessLogFile, onReady: @escaping () -> Void
  ) throws(Errno) {
    self.path = path
    self.remoteKeys = remoteKeys
    self.revocation = revocation
    self.introspections = introspections
    self.builder = builder
    self.registry = registry
    self.onReady = onReady
    current = first
    logger = ProcessLog.make(level: first.configuration.process.logLevel)
    let loop = try EventLoop()
    self.loop = loop
    names = try Names(loop: loop, servers: first.configuration.process.resolvers, known: builder.known)
    reports = try Mailbox()
    self.accessLog = accessLog
  }

  private static func makeRegistry() -> MetricsRegistry {
    MetricsRegistry(
      vocabulary: MetricVocabulary(
        denialCodes: GatewayError.allCases.map { "\($0.code)" }, handshakeResults: HandshakeOutcome.allCases.map(\.word),
        upstreamResults: UpstreamOutcome.allCases.map(\.word)), process: ProcessStatistics.current)
  }

  // MARK: Commands

  /// `gatehouse check`: everything a start would look at. Prints what it finds.
  package static func check(path: String) -> Exit {
    signal(SIGPIPE, SIG_IGN)
    let builder = SnapshotBuilder(names: MetricNames(), tickets: TicketKeyRing())
    switch builder.build(path: path, generation: 1) {
    case .rejected(let diagnostics):
      // Somebody wants to see all of it, and nothing else is to be done.
      complain(diagnostics, within: nil)
      return .badConfiguration
    case .built(let built):
      for warning in built.warnings { print(warning.warning) }
      let configuration = built.configuration
      print(
        "ok: \(count(configuration.listeners, "listener")), \(count(configuration.identityProviders, "identity provider")), "
          + "\(count(configuration.backends, "backend")), \(count(configuration.routes, "route"))")
      let inDirectory = configuration.internalToken?.keyDirectory != nil
      if inDirectory || built.signing?.schedule.nextChange(after: built.builtAt) != nil {
        for row in built.signing?.rows(at: built.builtAt) ?? [] { print("signing key \(row.text(inDirectory: inDirectory))") }
      }
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
    // By default glibc gives memory back to the kernel whenever 128 KiB at a heap's top are free, and asks for it again with the
    // next burst: on HTTP/2 a system call and its page faults every 50 requests (6 % of their CPU time).
    mallopt(M_TRIM_THRESHOLD, 4 << 20)
    mallopt(M_TOP_PAD, 512 << 10)
    // A gateway needs two descriptors for each client.
    gh_raise_descriptor_limit()
    let registry = makeRegistry()
    let tickets = TicketKeyRing()
    let remoteKeys = RemoteKeySets(registry: registry)
    let revocation = RevocationFeeds()
    let introspections = RemoteIntrospections(registry: registry)
    let builder = SnapshotBuilder(
      names: registry.names, tickets: tickets, remoteKeys: remoteKeys, revocation: revocation, introspections: introspections)
    guard case .built(let built) = report(builder.build(path: path, generation: 1)) else { return .badConfiguration }
    let accessLog: AccessLogFile
    do throws(Errno) {
      accessLog = try AccessLogFile(built.configuration.accessLog)
    } catch {
      complain([built.configuration.accessLogDiagnostic(error, otherwise: path)])
      return .badConfiguration
    }
    do throws(Errno) {
      let supervisor = try Supervisor(
        path: path, first: built, builder: builder, registry: registry, remoteKeys: remoteKeys, revocation: revocation,
        introspections: introspections, accessLog: accessLog,
        onReady: onReady)
      return supervisor.serve(workers: builder.workers)
    } catch {
      StandardError.say(["gatehouse: cannot start: \(error)"], within: StandardError.patience)
      return .failed
    }
  }

  private static func report(_ result: SnapshotBuilder.Result) -> SnapshotBuilder.Result {
    if case .rejected(let diagnostics) = result { complain(diagnostics) }
    return result
  }

  private static func complain(_ diagnostics: [Diagnostic], within milliseconds: UInt64? = StandardError.patience) {
    StandardError.say(diagnostics.map(\.description) + [count(diagnostics, "error")], within: milliseconds)
  }

  // MARK: Serving

  private func serve(workers count: Int) -> Exit {
    for warning in current.warnings { logger.warning("\(warning)") }
    do throws(ListenFailure) {
      let changes = try openListeners(current, instead: nil, workers: count)
      try openAdmin(current)
      try startWorkers(changes)
      try followRevocation(current)
    } catch {
      StandardError.say(["\(error.diagnostic)"], within: StandardError.patience)
      socketFiles.removeAll()
      loop.closeAll()
      return .failed
    }
    names.say = { [weak self] in self?.logger.notice("\($0)") }
    remoteKeys.start(
      loop: loop, resolver: names.resolver, say: { [weak self] in self?.logger.log(level: $0, "\($1)") },
      publish: { [weak self] remote, keySet in self?.workers.forEach { $0.post(.keys(remote, keySet)) } },
      settled: { [weak self] remote in self?.workers.forEach { $0.post(.keysSettled(remote)) } })
    introspections.start(
      loop: loop, resolver: names.resolver, say: { [weak self] in self?.logger.warning("\($0)") },
      settled: { [weak self] remote, digest, answer, numbers in
        guard let self else { return }
        for number in numbers { workers[number].post(.introspected(remote, digest: digest, answer)) }
      })
    publish(current)
    while exit == nil { loop.turn() }
    socketFiles.removeAll()
    remoteKeys.close()
    revocation.close()
    introspections.close()
    names.close()
    loop.closeAll()
    return exit ?? .done
  }

  private func startWorkers(_ changes: [ListenerChanges]) throws(ListenFailure) {
    do throws(Errno) {
      try reports.attach(to: loop) { [weak self] in self?.heard($0) }
      endTimer = LoopTimer(loop: loop) { [weak self] in self?.endTimeIsOver() }
      reader = try ConfigurationReader(path: path, loop: loop) { [weak self] in self?.configurationRead($0) }
      try SignalSource(loop: loop, signals: Self.signals) { [weak self] in self?.caught($0) }.register(.read)
      for (number, listeners) in changes.enumerated() {
        let worker = try Worker(number: number)
        workers.append(worker)
        worker.start(
          Worker.Start(
            snapshot: current.proxy, listeners: listeners, metrics: registry.addWorker(), logDescriptor: accessLog.descriptor,
            tokenCacheBytes: Self.tokenCacheBytes / changes.count, reports: reports))
      }
    } catch {
      throw ListenFailure(Diagnostic(SourceLocation(file: path, line: 1, column: 1), "cannot start: \(error)"))
    }
    notReady = Set(workers.map(\.number))
  }

  var notReady: Set<Int> = []

  private func heard(_ report: Worker.Report) {
    switch report {
    case .ready(let number):
      notReady.remove(number)
      if notReady.isEmpty { announce() }
    case .installed(let generation):
      guard let arriving, arriving.proxy.generation == generation else { return }
      pendingInstalls -= 1
      if pendingInstalls == 0 { completeReload(arriving) }
    case .unknownKey(let number, let remote, let hash):
      if !remoteKeys.unknownKey(remote, hash) { workers[number].post(.keyRefused(remote, hash)) }
    case .loggedOut(let number, let logout, let entries):
      revocation.logOut(entries) { [worker = workers[number]] in worker.post(.logoutSettled(logout, isKept: $0)) }
    case .introspect(let number, let remote, let digest, let token, let client):
      if !introspections.ask(number, remote, digest, token, for: client) {
        workers[number].post(.introspected(remote, digest: digest, .unavailable))
      }
    case .drained(let number):
      undrained.remove(number)
      if status.isDraining, undrained.isEmpty { stopWorkers() }
    case .stopped(let number):
      unstopped.remove(number)
      if unstopped.isEmpty { exit = exit ?? .done }
    case .failed(let number, let error):
      logger.critical("worker \(number) failed: \(error)")
      exit = .failed
    case .said(let number, let sentence):
      let lost = workers[number].log.arrived()
      logger.warning("\(sentence)")
      if lost > 0 { logger.warning("\(lost) lines of worker \(number) were lost: too many at once") }
    }
  }

  private func announce() {
    var places = current.listeners.map { "\($0.context.name) \($0.address.text)" }
    if let admin = current.configuration.admin { places.append("admin \(admin.address.value.text)") }
    StandardError.say("ready: \(places.joined(separator: ", "))")
    onReady()
    ColdPages.release()
  }

  /// Makes `built` what the process says of itself.
  func publish(_ built: BuiltSnapshot) {
    current = built
    builder.accessLogInForce = accessLog.settings
    ReplayCache.process.resize(maximum: built.configuration.process.proofs ?? ReplayCache.defaultMaximum)
    status.generation = built.proxy.generation
    status.sha256 = built.sha256
    status.files = built.files
    status.loadedAt = .now
    status.lastRefusal = nil
    registry.setGeneration(built.proxy.generation)
    registry.setCertificates(built.certificates)
    builder.forgetOthers(than: built)
    names.watch(built.namedEndpoints, servers: built.configuration.process.resolvers)
    adopt(built.signing, built.proxy.internalTokens, builtAt: built.builtAt)
    introspections.apply(built)
    remoteKeys.apply(built)
  }
}
