import Bytes
import CLinux
import HTTP
import HTTP1
import Reactor

/// The admin listener: health, metrics, the configuration in force, the published keys. On the control thread, plain HTTP,
/// one request a connection; meant for a loopback address or a unix socket.
public final class AdminListener: Listener {
  private let respond: (String, [UInt8]) -> AdminResponse
  /// Its connections, the oldest first.
  private var connections: [SlotID] = []

  /// Connections at once. Who comes then takes the place of the oldest: probes ask as soon as they are connected, and are answered at once.
  static let maximumConnections = 64

  /// - Parameter respond: answers a GET for a path, and for the authority that the request has, if it has one.
  package init(loop: EventLoop, descriptor: Int32, respond: @escaping (String, [UInt8]) -> AdminResponse) {
    self.respond = respond
    super.init(loop: loop, descriptor: descriptor)
  }

  public override func accepted(_ descriptor: Int32, from peer: PeerAddress) {
    let connection = AdminConnection(loop: loop, descriptor: descriptor, respond: respond)
    guard (try? connection.register(.read)) != nil, let slot = connection.slot else { return }
    connection.setDeadline(AdminConnection.timeout)
    connections.removeAll { loop.channel($0)?.isOpen != true }
    if connections.count >= Self.maximumConnections { loop.channel(connections.removeFirst())?.close() }
    connections.append(slot)
  }
}

/// What an admin path answers.
package struct AdminResponse {
  package var status: UInt16
  package var type: StaticString
  package var body: [UInt8]

  package init(_ status: UInt16, _ type: StaticString = "text/plain; charset=utf-8", _ body: [UInt8]) {
    self.status = status
    self.type = type
    self.body = body
  }

  package init(_ status: UInt16, _ text: String) { self.init(status, body: Array(text.utf8)) }

  private init(_ status: UInt16, body: [UInt8]) { self.init(status, "text/plain; charset=utf-8", body) }
}

/// One admin request and its answer.
final class AdminConnection: Channel {
  /// Milliseconds for the whole of it.
  static let timeout = 5_000
  private static let limits = HeadLimits(headerBytes: 16 << 10, headerCount: 64, uriBytes: 1 << 10)

  private var input = ByteQueue()
  private var output = ByteQueue()
  private var parser = RequestParser(limits: limits)
  private var head = RequestHead(fieldCapacity: 64)
  private var isAnswering = false
  private let respond: (String, [UInt8]) -> AdminResponse

  init(loop: EventLoop, descriptor: Int32, respond: @escaping (String, [UInt8]) -> AdminResponse) {
    self.respond = respond
    super.init(loop: loop, descriptor: descriptor)
  }

  override func ready(_ readiness: Readiness) {
    if isAnswering { return write() }
    let room = input.reserve(4096)
    switch Syscall.read(descriptor.raw, UnsafeMutableRawPointer(room.baseAddress.unsafelyUnwrapped), room.count) {
    case .done(0), .failed: close()
    case .wouldBlock: break
    case .done(let count):
      input.produced(count)
      parse()
    }
  }

  override func deadlineReached() { close() }

  private func parse() {
    switch parser.parse(input.readable.span, into: &head) {
    case .needMore: return
    case .failed: answer(AdminResponse(400, "bad request\n"))
    case .complete:
      let path = String(decoding: input.readable[head.path.start..<head.path.end], as: UTF8.self)
      guard head.method == .get || head.method == .head else { return answer(AdminResponse(405, "only GET and HEAD\n")) }
      answer(respond(path, Array(input.readable[head.authority.bounds])))
    }
  }

  private func answer(_ response: AdminResponse) {
    HeadWriter.statusLine(response.status, into: &output)
    HeadWriter.field("Content-Type", response.type, into: &output)
    HeadWriter.field("Content-Length", decimal: UInt64(response.body.count), into: &output)
    HeadWriter.field("Cache-Control", "no-store", into: &output)
    output.append("Connection: close\r\n\r\n")
    if head.method != .head { output.append(response.body) }
    isAnswering = true
    write()
  }

  private func write() {
    while !output.isEmpty {
      switch Syscall.write(descriptor.raw, UnsafeRawPointer(output.start), output.count) {
      case .done(let count): output.consume(count)
      case .wouldBlock: return want(.write)
      case .failed: return close()
      }
    }
    // The client may still be sending a body nobody asked for; what it was told is out already.
    _ = shutdown(descriptor.raw, Int32(SHUT_WR))
    close()
  }
}
