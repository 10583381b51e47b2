import Bytes
import CLinux
import Reactor

/// The one way to standard error: whoever reads it may stall or go, and the disk behind it may be full. None of it stops the process.
package enum StandardError {
  private static let output = Locked(LineOutput(descriptor: 2))

  /// Milliseconds that a start waits, in all, for somebody who reads slowly what it has to say.
  package static let patience: UInt64 = 1_000

  /// Says a line if there is room for it now. Else it is lost, and counted.
  package static func say(_ line: String) { output.withLock { $0.write(line) } }

  /// The same where nothing is served yet: waits for room, for so many milliseconds in all, or as long as it takes.
  package static func say(_ lines: [String], within milliseconds: UInt64?) {
    let end = milliseconds.map { Clock.milliseconds &+ $0 } ?? .max
    output.withLock { output in
      for line in lines { output.write(line, until: end) }
    }
  }
}

/// Lines on a descriptor that belongs to others as well. What cannot be written is lost; the next line that can be says how many were.
struct LineOutput: Sendable {
  /// Bytes of a line that nobody waits for: so much goes into a pipe as one (POSIX PIPE_BUF), or not at all.
  static let limit = 4096

  private let descriptor: Int32
  /// Whether a write that finds no room says so instead of waiting. A socket's can be told not to wait.
  private let isOwn: Bool
  private var lost = 0
  /// The last line went out in part: what comes next begins a line of its own.
  private var isTorn = false

  init(descriptor: Int32) {
    // Flags of its own: who gave it to us must not find it non-blocking. Where that cannot be had, each write asks for room before.
    let own = gh_reopen_nonblocking(descriptor)
    isOwn = own >= 0
    self.descriptor = isOwn ? own : descriptor
  }

  /// - Parameter end: until when to wait for room, by `Clock.milliseconds`. Nil does not wait.
  mutating func write(_ line: String, until end: UInt64? = nil) {
    if tellsLost(until: end), put(line, until: end) { return }
    lost += 1
  }

  private mutating func tellsLost(until end: UInt64?) -> Bool {
    guard lost > 0 else { return true }
    let lines = lost == 1 ? "1 line of this log was" : "\(lost) lines of this log were"
    let notice = "\(ProcessLog.time()) warning \(lines) lost: standard error had no room, or nobody read it"
    guard put(notice, until: end) else { return false }
    lost = 0
    return true
  }

  private mutating func put(_ line: String, until end: UInt64?) -> Bool {
    var bytes = (isTorn ? [0x0a] : []) + (end == nil ? Self.cut(line) : Array(line.utf8)) + [0x0a]
    var waits = !isOwn
    while true {
      if waits, gh_is_writable(descriptor, Self.wait(until: end)) == 0 { return false }
      var result = Syscall.sendNow(descriptor, bytes, bytes.count)
      if case .failed(let error) = result, error.code == ENOTSOCK {
        let count = bytes.count
        result = Syscall.run { CLinux.write(descriptor, bytes, count) }
      }
      switch result {
      case .done(let count):
        isTorn = count < bytes.count
        if !isTorn { return true }
        bytes.removeFirst(count)
      case .wouldBlock: waits = true
      case .failed: return false
      }
      guard let end, Clock.milliseconds < end else { return false }
    }
  }

  private static func wait(until end: UInt64?) -> Int32 {
    guard let end else { return 0 }
    guard end != .max else { return -1 }
    let now = Clock.milliseconds
    return end > now ? Int32(clamping: end - now) : 0
  }

  /// What of a line fits, with the ends of it and of the line before.
  private static func cut(_ line: String) -> [UInt8] {
    var bytes = Array(line.utf8)
    guard bytes.count > limit - 2 else { return bytes }
    let mark = Array("…".utf8)
    bytes.removeLast(bytes.count - (limit - 2 - mark.count) - 1)
    // Not in the midst of a character.
    while let last = bytes.popLast(), last & 0xc0 == 0x80 {}
    return bytes + mark
  }
}
