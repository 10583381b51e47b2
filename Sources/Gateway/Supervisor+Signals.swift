import CLinux
import Configuration
import Foundation
import Logging
import Reactor

/// What signals ask for: reload, reopen, drain.
extension Supervisor {
  func caught(_ signal: Int32) {
    switch signal {
    case SIGHUP: reload()
    case SIGUSR1:
      do throws(Errno) {
        try accessLog.reopen()
      } catch {
        // The old one stays open.
        logger.error("\(current.configuration.accessLogDiagnostic(error, otherwise: path)); lines go on to the old file")
      }
    default: drain(signal)
    }
  }

  /// SIGHUP: read, validate, compile, publish. On any error what is in force stays in force.
  func reload() {
    guard !status.isDraining else { return }
    guard !isReading, arriving == nil, let reader else {
      // The last one is still being read, or taken over by the workers; look again when that is done.
      reloadRequested = true
      return
    }
    isReading = true
    reader.read(workers: workers.count)
  }

  func configurationRead(_ result: ConfigurationResult) {
    guard case .loaded(let loaded) = result else { return install(result) }
    // Everything else goes on meanwhile.
    names.prepare(loaded.configuration.hostNames) { [weak self] in self?.install(result) }
  }

  private func install(_ result: ConfigurationResult) {
    isReading = false
    guard !status.isDraining else { return }
    switch builder.build(result, generation: current.proxy.generation + 1, known: names.addresses(of:)) {
    case .rejected(let diagnostics): refuseReload(diagnostics)
    case .built(let built):
      do throws(ListenFailure) {
        // Opened before anything changes, as sockets are.
        var log: AccessLogFile.Opened?
        if built.configuration.accessLog != accessLog.settings { log = try openAccessLog(built.configuration) }
        let changes = try openListeners(built, instead: current, workers: workers.count)
        arrivingLog = log
        for warning in built.warnings { logger.warning("\(warning)") }
        warnOfWhatNeedsARestart(built)
        revocation.apply(built.revocation)
        removeSockets(of: current, keeping: built)
        arriving = built
        pendingInstalls = workers.count
        for (worker, listeners) in zip(workers, changes) { worker.post(.install(built.proxy, listeners: listeners)) }
      } catch {
        refuseReload([error.diagnostic])
      }
    }
  }

  private func openAccessLog(_ configuration: GatewayConfiguration) throws(ListenFailure) -> AccessLogFile.Opened {
    do throws(Errno) {
      return try AccessLogFile.Opened(configuration.accessLog)
    } catch {
      throw ListenFailure(configuration.accessLogDiagnostic(error, otherwise: path))
    }
  }

  func refuseReload(_ diagnostics: [Diagnostic]) {
    registry.countReload(.failure)
    status.lastRefusal = (.now, diagnostics.map(\.description))
    for diagnostic in diagnostics { logger.error("\(diagnostic)") }
    logger.error("reload refused: configuration \(current.proxy.generation) stays in force")
    reloadAgain()
  }

  /// What was asked for while another was under way.
  private func reloadAgain() {
    guard reloadRequested else { return }
    reloadRequested = false
    reload()
  }

  func completeReload(_ built: BuiltSnapshot) {
    arriving = nil
    if let log = arrivingLog.take() {
      do throws(Errno) {
        try accessLog.adopt(log)
      } catch {
        logger.error("\(built.configuration.accessLogDiagnostic(error, otherwise: path)); lines go on to the old file")
      }
    }
    logger.logLevel = Logger.Level(rawValue: built.configuration.process.logLevel) ?? logger.logLevel
    publish(built)
    registry.countReload(.success)
    logger.notice("configuration \(built.proxy.generation) is in force (sha256 \(built.sha256))")
    if !reloadRequested { ColdPages.release() }
    reloadAgain()
  }

  func warnOfWhatNeedsARestart(_ built: BuiltSnapshot) {
    if SnapshotBuilder.workerCount(built.configuration.process) != workers.count {
      logger.warning("process.workers has changed: it takes effect with a restart")
    }
    if built.configuration.admin?.address != current.configuration.admin?.address {
      logger.warning("admin.address has changed: it takes effect with a restart")
    }
  }
}
