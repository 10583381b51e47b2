import Configuration
import Proxy
import Reactor
import Tokens

/// The rotation of signing keys while the gateway runs: each key's time comes here, whoever set it, without a reload.
extension Supervisor {
  /// Milliseconds between two looks at a key directory.
  private static let watchInterval = 1_000
  /// The longest time a timer is set for: the clock on the wall may be set meanwhile.
  private static let longestWait: Int64 = 60_000

  /// Seconds since 1970, and never less than before: a clock that is set back does not bring an old key back.
  private var signingTime: Int64 {
    latestSigningTime = max(latestSigningTime, SnapshotBuilder.now)
    return latestSigningTime
  }

  /// A configuration is in force, with the tokens of the moment at which it was built.
  func adopt(_ plan: SigningPlan?, _ tokens: InternalTokens, builtAt: Int64) {
    signing = plan
    internalTokens = tokens
    signingMoment = plan?.schedule.moment(at: builtAt)
    latestSigningTime = max(latestSigningTime, builtAt)
    refusedManifest = nil
    if let plan { builder.history.record(plan.schedule, plan.identities, now: builtAt) }
    rotate()
  }

  /// Brings keys to where they are by now, and sets the timer for the next step.
  func rotate() {
    guard let plan = signing else { return }
    // A snapshot on its way brings tokens of its own; what is decided here would be overtaken by it.
    guard arriving == nil else { return wake(in: Self.watchInterval) }
    let next = lookForNewKeys(plan) ?? plan
    install(next)
    record(next)
    let now = signingTime
    var wait = next.schedule.nextChange(after: now).map { min(($0 - now) * 1_000, Self.longestWait) } ?? Self.longestWait
    if next.source != nil { wait = min(wait, Int64(Self.watchInterval)) }
    wake(in: Int(max(wait, 20)))
  }

  private func wake(in milliseconds: Int) {
    if signingTimer == nil { signingTimer = LoopTimer(loop: loop) { [weak self] in self?.rotate() } }
    signingTimer?.setDeadline(milliseconds)
  }

  /// The plan of a manifest that was written since; nil when there is none, or it cannot be used.
  private func lookForNewKeys(_ plan: SigningPlan) -> SigningPlan? {
    guard let source = plan.source, let stamp = source.directory.stamp, stamp != source.stamp, stamp != refusedManifest else {
      return nil
    }
    switch builder.replan(current) {
    case .success(let next):
      refusedManifest = nil
      return next
    case .failure(let refusal):
      refusedManifest = stamp
      for diagnostic in refusal.diagnostics { logger.error("\(diagnostic)") }
      logger.error("the signing keys that were read before stay in force")
      return nil
    }
  }

  private func install(_ plan: SigningPlan) {
    let now = signingTime
    let moment = plan.schedule.moment(at: now)
    guard plan !== signing || moment != signingMoment else { return }
    do throws(KeySetError) {
      let tokens = try plan.tokens(at: now)
      announce(plan, moment, now)
      signing = plan
      signingMoment = moment
      internalTokens = tokens
      builder.history.record(plan.schedule, plan.identities, now: now)
      for worker in workers { worker.post(.internalTokens(tokens)) }
    } catch {
      logger.error("the signing keys that were read before stay in force: \(error)")
    }
  }

  private func announce(_ plan: SigningPlan, _ moment: KeySchedule.Moment, _ now: Int64) {
    func names(_ plan: SigningPlan?, _ indexes: [Int]) -> Set<String> { Set(indexes.compactMap { plan?.schedule.keys[$0].kid }) }
    let before = names(signing, signingMoment?.published ?? [])
    let after = names(plan, moment.published)
    let signed = names(signing, (signingMoment?.signers ?? []).compactMap { $0 })
    let signs = names(plan, moment.signers.compactMap { $0 })
    for kid in after.subtracting(before).sorted() { logger.notice("signing key \(kid): published") }
    for kid in signs.subtracting(signed).sorted() { logger.notice("signing key \(kid): signs from now on") }
    for kid in signed.subtracting(signs).sorted() { logger.notice("signing key \(kid): signs no more, stays published") }
    for kid in before.subtracting(after).sorted() { logger.notice("signing key \(kid): no longer published") }
  }

  /// Writes into the manifest what was published for the first time: from then on its time before it signs is counted, by all
  /// gateways alike. Until that is written it does not sign.
  private func record(_ plan: SigningPlan) {
    guard let source = plan.source, !source.unrecorded.isEmpty else { return }
    let now = signingTime
    do throws(KeySetError) {
      try source.directory.update(waits: false) { manifest in
        manifest.published(source.unrecorded, publishAhead: plan.publishAhead, tokenLife: plan.tokenLife, now: now)
      }
    } catch {
      // Tried again with every look, and told once.
      guard source.stamp != unwritableManifest else { return }
      unwritableManifest = source.stamp
      let waiting = plan.schedule.keys.filter { $0.signsFrom == nil }.map(\.kid).joined(separator: ", ")
      logger.warning("\(error)\(waiting.isEmpty ? "" : ": \(waiting) does not sign before another gateway can write there")")
    }
  }
}
