import Logging
import Reactor
import Telemetry

/// The process's own log, on standard error: what operators should know of starting, reloading, backends and keys.
/// Requests are in the access log.
package enum ProcessLog {
  /// The logger of the process; one line an entry, whatever an entry holds.
  package static func make(level: String) -> Logger {
    var logger = Logger(label: "gatehouse") { _ in LineHandler() }
    logger.logLevel = Logger.Level(rawValue: level) ?? .info
    return logger
  }

  /// RFC 3339 in UTC. Foundation's formatters would load the whole of ICU for it, and 8 MiB with it.
  static func time() -> String {
    var stamp = Timestamp()
    return String(decoding: stamp.write(milliseconds: Int64(Clock.realNanoseconds() / 1_000_000)).span)
  }

  private struct LineHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      var line = "\(time()) \(event.level) \(Self.escape(event.message.description))"
      for (key, value) in (event.metadata ?? [:]).sorted(by: { $0.key < $1.key }) { line += " \(key)=\(Self.escape("\(value)"))" }
      StandardError.say(line)
    }

    /// Text from outside (a certificate's name, a peer's alert) must not begin a line of its own.
    private static func escape(_ text: String) -> String {
      var safe = ""
      for scalar in text.unicodeScalars {
        if scalar.value < 0x20 || scalar.value == 0x7f {
          safe += scalar == "\n" ? "\\n" : "\\u{\(String(scalar.value, radix: 16))}"
        } else {
          safe.unicodeScalars.append(scalar)
        }
      }
      return safe
    }
  }
}
