import Bytes
import CLinux
import Configuration
import Foundation
import Reactor

/// Reads the configuration again, on a thread of its own that gives way to whoever serves.
///
/// Ten thousand routes take 0.4 s. Meanwhile the control thread goes on with denials, keys and the admin listener; and a worker
/// that has to share its core loses 0.2 ms at a time instead of the 4 ms of a tick.
final class ConfigurationReader {
  private let path: String
  private let results: Mailbox<ConfigurationResult>
  /// Microseconds that the reading thread computes before it gives way. On a core that a worker fills, 10,000 routes are then read in
  /// 8 s, and requests take 1.25 times as long at the 99th percentile; with 800, in 2.5 s, and 2.4 times as long. With a core to spare
  /// it makes no difference: 0.4 s.
  private static let portion = 200
  /// Seconds for which it gives way. Neighbours that compute without end would keep a reload waiting for a minute.
  private static let politeness: Int32 = 10
  /// As much as the main thread has, which read the first one: what nests deeply there does so here.
  private static let stackBytes = 8 << 20

  /// - Parameter done: told on the loop's thread, once for each `read`.
  init(path: String, loop: EventLoop, done: @escaping (ConfigurationResult) -> Void) throws(Errno) {
    self.path = path
    results = try Mailbox()
    try results.attach(to: loop, done)
  }

  /// - Parameter workers: how many there are.
  func read(workers: Int) {
    let (path, results) = (path, results)
    let thread = Thread {
      var timer: timer_t?
      let gives = gh_yield_often(Self.portion, Self.politeness, &timer) == 1
      let result = ConfigurationLoader.load(
        path: path, environment: ProcessInfo.processInfo.environment, workers: .running(workers))
      if gives, let timer { gh_stop_yielding(timer) }
      results.post(result)
    }
    thread.name = "configuration"
    thread.stackSize = Self.stackBytes
    thread.start()
  }
}
