/// Whether a client takes its answer fast enough, judged now and then by what it has taken in all: writing need not tell of each byte.
///
/// An answer waits while bytes of it stand in the gateway. A client that takes within a few seconds what stood there at their beginning
/// keeps up, be it that it is fast or that the backend is slow: such seconds do not count, and make good as many that did. So a long
/// download, or a stream of events that stalls now and then, ends for nothing but a pause that is too long. All other time is waiting, for
/// which the rules are those of content (`TransferPace`), but that the least rate is asked for only after the longest pause that is allowed.
///
/// Time is passed in, in ms.
package struct AnswerPace: Sendable {
  /// Milliseconds in which bytes are taken that have not waited.
  package static let patience = TransferPace.grace

  private var pace: TransferPace
  private var takenThen: UInt64
  /// When the present seconds began, and what is still to be taken of the bytes that waited then.
  private var beganAt: UInt64
  private var owed: UInt64

  /// The first look.
  package init(_ rules: TransferPace.Rules, taken: UInt64, waiting: UInt64, now: UInt64) {
    pace = TransferPace(rules, patience: .max)
    takenThen = taken
    beganAt = now
    owed = waiting
    goOn(waiting, now)
  }

  /// Milliseconds between two looks: few for rules that are strict.
  package static func interval(_ rules: TransferPace.Rules) -> UInt64 { min(1_000, max(50, rules.silence / 4)) }

  /// A further look. While nothing waits none is needed.
  ///
  /// - Parameters:
  ///   - taken: all bytes that the client has ever taken. It may be an estimate: if it goes back, nothing was taken.
  ///   - waiting: bytes that stand in the gateway now.
  package mutating func look(taken: UInt64, waiting: UInt64, now: UInt64) -> TransferPace.Verdict {
    let moved = taken > takenThen ? taken &- takenThen : 0
    takenThen = max(taken, takenThen)
    pace.movedMeanwhile(moved, now: now)
    if waiting == 0 || moved >= owed {
      // Where nothing was owed, nothing has waited since.
      if owed == 0 || now <= beganAt &+ Self.patience { pace.forgive(since: beganAt, now: now) }
      beganAt = now
      owed = waiting
    } else {
      owed &-= moved
    }
    goOn(waiting, now)
    // Whatever it was, it is over.
    return waiting == 0 ? .good : pace.verdict(now: now)
  }

  private mutating func goOn(_ waiting: UInt64, _ now: UInt64) {
    if waiting > 0 { pace.wait(now: now) } else { pace.pause(now: now) }
  }
}
