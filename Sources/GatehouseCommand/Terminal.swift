import Foundation

/// Text to the person at the terminal, out at once. Nobody reading is no reason to stop.
enum Terminal {
  static func say(_ text: String) { try? FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8)) }
  static func complain(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data((text + "\n").utf8)) }
}
