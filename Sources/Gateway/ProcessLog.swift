import Foundation
import Logging

/// The process's own log, on standard error: what operators should know of starting, reloading, backends and keys.
/// Requests are in the access log.
package enum ProcessLog {
  /// The logger of the process; one line an entry, whatever an entry holds.
  package static func make(level: String) -> Logger {
    var logger = Logger(label: "gatehouse") { _ in LineHandler() }
    logger.logLevel = Logger.Level(rawValue: level) ?? .info
    return logger
  }

  private struct LineHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let time = Date.now.formatted(.iso8601.time(includingFractionalSeconds: true))
      var line = "\(time) \(event.level) \(Self.escape(event.message.description))"
      for (key, value) in (event.metadata ?? [:]).sorted(by: { $0.key < $1.key }) { line += " \(key)=\(Self.escape("\(value)"))" }
      FileHandle.standardError.write(Data((line + "\n").utf8))
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
