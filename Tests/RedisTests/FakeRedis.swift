import CLinux
import Reactor

/// A server on a loopback port that answers each lot of bytes with the next of its lines, whatever was asked, or as `reply` says.
final class FakeRedis {
  let port: UInt16
  private let listener: Door

  /// - Parameters:
  ///   - greeting: sent before anything was asked.
  ///   - answers: when they have run out there is silence.
  ///   - bytewise: each byte has left, and can be read, before the next.
  ///   - reply: what to answer to a command when there are no answers.
  init(
    _ loop: EventLoop, greeting: [UInt8] = [], answers: [[UInt8]] = [], bytewise: Bool = false,
    reply: @escaping (String) -> String = { _ in "" }
  ) throws {
    let socket = CLinux.socket(AF_INET, gh_SOCK_STREAM, 0)
    let address = SocketAddress(literal: "127.0.0.1", port: 0)!
    guard address.withPointer({ bind(socket, $0, $1) }) == 0, listen(socket, 16) == 0 else { throw Errno(gh_errno()) }
    var bound = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    _ = withUnsafeMutablePointer(to: &bound) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
    }
    port = SocketAddress(storage: bound, length: length).peer.port
    listener = Door(loop: loop, descriptor: socket)
    listener.greeting = greeting
    listener.answers = answers
    listener.isBytewise = bytewise
    listener.reply = reply
    try listener.register(.read)
  }

  /// Connections accepted so far.
  var accepted: Int { listener.accepted }

  private final class Door: Channel {
    var greeting: [UInt8] = []
    var answers: [[UInt8]] = []
    var isBytewise = false
    var reply: (String) -> String = { _ in "" }
    var accepted = 0

    override func ready(_ readiness: Readiness) {
      let socket = accept4(descriptor.raw, nil, nil, gh_SOCK_ACCEPT)
      guard socket >= 0 else { return }
      accepted += 1
      let visitor = Visitor(loop: loop, descriptor: socket)
      visitor.answers = answers[...]
      visitor.unsent = greeting[...]
      visitor.isBytewise = isBytewise
      visitor.reply = reply
      if isBytewise { try? Syscall.setOption(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
      do { try visitor.register(.read) } catch { return }
      visitor.flush()
    }
  }

  private final class Visitor: Channel {
    var answers: ArraySlice<[UInt8]> = []
    var unsent: ArraySlice<UInt8> = []
    var isBytewise = false
    var reply: (String) -> String = { _ in "" }
    private var wroteIn: UInt64 = 0

    override func ready(_ readiness: Readiness) {
      if readiness.contains(.read) {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        guard case .done(let count) = Syscall.read(descriptor.raw, &buffer, buffer.count), count > 0 else { return close() }
        unsent += answers.popFirst() ?? Array(reply(String(decoding: buffer[..<count], as: UTF8.self)).utf8)
      }
      flush()
    }

    func flush() {
      // Whoever reads on the same loop has had a whole turn for the byte before.
      if !unsent.isEmpty, !isBytewise || loop.turnCount > wroteIn &+ 1 {
        wroteIn = loop.turnCount
        let piece = isBytewise ? unsent.prefix(1) : unsent
        switch piece.withUnsafeBytes({ Syscall.write(descriptor.raw, $0.baseAddress!, $0.count) }) {
        case .done(let count): unsent = unsent.dropFirst(count)
        case .wouldBlock: break
        case .failed: return close()
        }
      }
      want(unsent.isEmpty ? .read : [.read, .write])
    }
  }
}
