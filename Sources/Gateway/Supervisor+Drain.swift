import Reactor

/// The end of the process, in three steps: no new requests, no more time for those under way, no more workers.
extension Supervisor {
  /// Milliseconds that clients have to take what they are told when they are cut off.
  private static let lastWords = 500
  /// Milliseconds that workers have to close everything and to write their last lines.
  private static let stopTime = 2_000

  /// SIGTERM, SIGINT: stop accepting, let what is in flight finish, exit. A second one does not wait for that, a third for nothing.
  func drain(_ signal: Int32) {
    guard !status.isDraining else { return isCuttingOff ? exit = .done : cutOff("a second signal has come") }
    status.isDraining = true
    let limit = current.configuration.process.drain
    logger.notice("draining for at most \(limit / 1000) s")
    socketFiles.removeAll()
    undrained = Set(workers.map(\.number))
    for worker in workers { worker.post(.drain) }
    endTimer?.setDeadline(max(1, limit))
  }

  /// Requests under way are answered or broken off, and have their lines in the access log.
  private func cutOff(_ reason: String) {
    guard !isCuttingOff, !isStopping else { return }
    isCuttingOff = true
    logger.warning("\(reason); clients that are still connected are cut off")
    for worker in workers { worker.post(.cutOff) }
    endTimer?.setDeadline(Self.lastWords)
  }

  func stopWorkers() {
    guard !isStopping else { return }
    isStopping = true
    unstopped = Set(workers.map(\.number))
    for worker in workers { worker.post(.stop) }
    endTimer?.setDeadline(Self.stopTime)
  }

  /// The time that the present step had.
  func endTimeIsOver() {
    if isStopping {
      exit = exit ?? .done
    } else if isCuttingOff {
      stopWorkers()
    } else {
      cutOff("the drain time is over")
    }
  }
}
