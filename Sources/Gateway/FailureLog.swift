import Configuration
import Reactor
import Transport
import Upstream

/// Tells of failing backends, at most once a second for each, endpoint and kind: a backend that is down fails every request.
final class FailureLog {
  private let loop: EventLoop
  private let log: @Sendable (String) -> Void
  private var last: [String: (at: UInt64, suppressed: Int)] = [:]

  init(loop: EventLoop, log: @escaping @Sendable (String) -> Void) {
    self.loop = loop
    self.log = log
  }

  func report(_ backend: Backend, _ endpoint: Int, _ failure: UpstreamFailure) {
    let place = endpoint >= 0 ? backend.endpoints[endpoint].name : "no endpoint"
    let timeout = failure.timeout.map { "\($0)" } ?? ""
    let key = "\(backend.name) \(place) \(failure.kind) \(timeout)"
    if let known = last[key], loop.now < known.at + 1_000 {
      last[key]?.suppressed += 1
      return
    }
    let suppressed = last[key]?.suppressed ?? 0
    last[key] = (loop.now, 0)
    let cause = (failure.timeout?.text(for: backend) ?? failure.cause?.text).map { ": \($0)" } ?? ""
    log("backend \(backend.name) at \(place): \(failure.kind)\(cause)\(suppressed > 0 ? " (\(suppressed) more like it)" : "")")
  }
}

extension BackendTimeout {
  /// Says which key of the backend it was, and what is written there.
  func text(for backend: Backend) -> String {
    let time = Quantity.describe(milliseconds: milliseconds(of: backend))
    return switch self {
    case .connect: "not connected within `timeouts.connect` (\(time))"
    case .response: "no response within `timeouts.response` (\(time))"
    case .idle: "nothing was read or written for `timeouts.idle` (\(time))"
    case .tunnel: "the WebSocket was silent for `timeouts.tunnel` (\(time))"
    case .close: "no Close of the WebSocket within \(time)"
    }
  }
}
