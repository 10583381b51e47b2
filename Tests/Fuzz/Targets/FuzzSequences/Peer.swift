import CLinux
import COpenSSL
import Reactor
import TLS
import Transport

/// The script's end of a connection: a socket, perhaps under TLS, what is to be said over it, and what comes.
class Peer {
  enum Ending: Int {
    /// The descriptor is closed, and no more said.
    case abrupt
    /// With what there is to say first: close_notify, or FIN.
    case clean
    /// The same, and on with listening.
    case half
  }

  private(set) var descriptor: Int32
  private var wire: Wire
  private var output: [UInt8] = []
  /// How many of the last bytes of `output` nobody has asked for.
  private var unasked = 0
  /// Takes part in the handshake.
  var shakesHands = true
  /// Takes what comes.
  var reads = true
  private(set) var isUp = false
  /// No more will be said.
  private var hasEnded = false

  /// What is kept that could not be sent.
  private static let maximumOutput = 1 << 20

  init(descriptor: Int32, wire: consuming Wire) {
    self.descriptor = descriptor
    self.wire = wire
  }

  var isOpen: Bool { descriptor >= 0 }
  var isEncrypted: Bool { wire.isEncrypted }
  var speaksHTTP2: Bool { wire.negotiatedProtocol == .h2 }

  // MARK: For subclasses

  /// The handshake is done.
  func up() {}
  func took(_ bytes: [UInt8]) {}
  /// The gateway will say no more; `clean`: it said so.
  func ended(clean: Bool) {}

  // MARK: For the script

  func say(_ bytes: [UInt8]) {
    guard isOpen, !hasEnded, output.count + bytes.count <= Self.maximumOutput else { return }
    output += bytes
  }

  func say(_ text: String) { say(Array(text.utf8)) }

  /// Says `bytes`, which nobody has asked for, behind what there is to say: in one piece with it where that is short, and in no case
  /// later. Who has read all that was asked for may send the next request, and then this would be its answer.
  ///
  /// - Returns: whether they are on their way.
  func sayUnasked(_ bytes: [UInt8]) -> Bool {
    guard isOpen, isUp, !hasEnded, unasked == 0, output.count + bytes.count <= Self.maximumOutput else { return false }
    output += bytes
    unasked = bytes.count
    return true
  }

  /// Nothing is to be said, and nothing has come that was not read: nobody waits for a word, as far as the other side has gone.
  var isSilent: Bool {
    isUp && output.isEmpty && !wire.hasPending && !Syscall.hasInput(descriptor)
  }

  /// Writes what there is to say now, and reads nothing.
  func push() {
    defer { ERR_clear_error() }
    if isUp { _ = write() }
  }

  /// Past the TLS layer, so that the record is no record.
  func garble() {
    guard isOpen else { return }
    var bytes: [UInt8] = [0x17, 0x03, 0x03, 0x00, 0x20] + (0..<32).map { $0 }
    _ = send(descriptor, &bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  func end(_ how: Ending) {
    guard isOpen else { return }
    if how != .abrupt {
      _ = pump()
      guard isOpen else { return }
      // A clean end in the middle would make a whole out of a part.
      guard output.isEmpty else { return drop() }
      if isUp, !hasEnded { wire.shutdown() }
      hasEnded = true
      ERR_clear_error()
    }
    if how != .half { drop() }
  }

  private func drop() {
    wire = Wire(plain: -1)
    _ = close(descriptor)
    descriptor = -1
    output = []
    unasked = 0
  }

  /// Does what can be done now. Whether anything was.
  func pump() -> Bool {
    guard isOpen else { return false }
    defer { ERR_clear_error() }
    if !isUp {
      guard shakesHands else { return false }
      switch wire.handshake() {
      case .done:
        isUp = true
        up()
      case .wantsRead, .wantsWrite: return false
      case .failed:
        drop()
        return true
      }
    }
    let wrote = write()
    return read() || wrote
  }

  private func write() -> Bool {
    var moved = false
    while isOpen, !output.isEmpty {
      switch output.withUnsafeBytes({ wire.write(from: $0.baseAddress!, count: $0.count) }) {
      case .bytes(let count):
        output.removeFirst(count)
        moved = true
      case .wantsRead, .wantsWrite:
        if unasked > 0, output.count <= unasked { drop() }
        return moved
      case .closed, .unwritable, .failed:
        output = []
        hasEnded = true
      }
    }
    unasked = 0
    return moved
  }

  private func read() -> Bool {
    var moved = false
    for _ in 0..<8 {
      guard isOpen, reads else { return moved }
      let (result, bytes) = receive()
      switch result {
      case .bytes:
        moved = true
        took(bytes)
      case .wantsRead, .wantsWrite: return moved
      case .closed(let clean):
        ended(clean: clean)
        drop()
        return true
      case .unwritable, .failed:
        ended(clean: false)
        drop()
        return true
      }
    }
    return moved
  }

  private func receive() -> (TLSResult, [UInt8]) {
    withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { room in
      let result = wire.read(into: room.baseAddress!, count: room.count)
      guard case .bytes(let count) = result else { return (result, []) }
      return (result, Array(room[..<count]))
    }
  }
}
