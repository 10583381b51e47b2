import CLinux
import Proxy
import Reactor
import TLS
import Telemetry
import Tokens
import Transport
import Upstream

/// One worker with everything around it, turned by hand, with a clock that the script moves.
final class Bench {
  private let stage: Stage
  private let hands = ClockHands(monotonic: 1_000_000_000_000, real: UInt64(Stage.began) * 1_000_000_000)
  private(set) var loop: EventLoop?
  private(set) var worker: WorkerContext?
  private let counts = WorkerCounts()
  private var entrances: [DownstreamListener] = []
  private let ledger = Ledger()
  private let backends: [BackendSide]
  /// Those that digits name.
  private var clients: [Client?] = Array(repeating: nil, count: 10)
  /// Those whose place another has taken.
  private var crowd: [Client] = []
  /// For what the control thread says.
  private var orders: Mailbox<Script.Event>?
  /// Channels of the bench's own.
  private var ownChannels = 0
  private var living = Living()
  private var questions: [(remote: RemoteIntrospection, digest: [UInt8])] = []
  /// The worker ends in the middle of everything.
  private var endsAtOnce = false

  /// Few enough places that a few connections fill them.
  private static let warmConnections = 3
  /// Bytes that may wait on one connection: the high-water mark, and what came in one piece before anybody could say stop.
  private static let mostOutput = SecureChannel.highWater + (80 << 10)
  private static let mostInput = SecureChannel.highWater + (16 << 10)

  init(_ stage: Stage) {
    self.stage = stage
    let ledger = self.ledger
    backends = Stage.backendNames.indices.map { BackendSide($0, stage, ledger) }
    do {
      let loop = try EventLoop(hands: hands)
      let worker = WorkerContext(
        loop: loop, metrics: WorkerMetrics(counts), snapshot: stage.snapshots[0], logDescriptor: -1, tokenCacheBytes: 64 << 10,
        warmConnections: Self.warmConnections, report: { _ in }, reportFailure: { _, _, _ in })
      entrances = stage.listeners.map {
        DownstreamListener(worker: worker, descriptor: eventfd(0, 0), context: $0, report: { _ in })
      }
      let orders = try Mailbox<Script.Event>()
      try orders.attach(to: loop) { [unowned self] in obey($0) }
      ownChannels = loop.channelCount
      self.orders = orders
      worker.introspectionWaiting.ask = { [unowned self] remote, digest, _, _ in questions.append((remote, digest)) }
      self.loop = loop
      self.worker = worker
    } catch {
      violation("no loop: \(error)")
    }
  }

  func play(_ script: Script) {
    var previous: Script.Event?
    for event in script.events {
      trace("\(Character(UnicodeScalar(event.what))) \(event.digits)\(event.settles ? ", and rest" : "")")
      if event.what == UInt8(ascii: "r"), let previous {
        for _ in 0..<(1 << min(6, event[0])) {
          perform(previous)
          if previous.settles { _ = turn() }
        }
      } else {
        perform(event)
        previous = event
      }
      if event.settles { settle() }
    }
  }

  // MARK: Events

  private func perform(_ event: Script.Event) {
    let client = clients[event[0]]
    let size = Self.sizes[event[3]]
    switch event.what {
    case UInt8(ascii: "a"): command(backends[event[0] % backends.count], event[1], event[2])
    case UInt8(ascii: "b"): backend(event)?.answer(event[2], size: size, BackendPeer.Manner(rawValue: event[4]) ?? .usual)
    case UInt8(ascii: "c"): connect(event[0], event[1])
    case UInt8(ascii: "d"): client?.add(Self.sizes[event[1]], which: event[2])
    case UInt8(ascii: "e"): client?.finish(which: event[1], trailers: event[2] > 0)
    case UInt8(ascii: "f"): backend(event)?.further(event[2], size: size, manner: event[4])
    case UInt8(ascii: "g"): client?.strange(event[1])
    case UInt8(ascii: "h"): client?.begin(request(event, size), part: event[4])
    case UInt8(ascii: "i"), UInt8(ascii: "u"), UInt8(ascii: "v"), UInt8(ascii: "y"): orders?.post(event)
    case UInt8(ascii: "j"): hands.monotonic += Self.times[event[0]] * 1_000_000
    case UInt8(ascii: "k"): leave(event[0], event[1])
    case UInt8(ascii: "l"): if event[0] == 9 { endsAtOnce = true } else { orders?.post(event) }
    case UInt8(ascii: "m"): client?.cancel(which: event[1])
    case UInt8(ascii: "n"): for _ in 0...event[0] { _ = turn() }
    case UInt8(ascii: "o"): client?.reads = event[1] % 2 == 1
    case UInt8(ascii: "p"): backend(event)?.reads = event[2] % 2 == 1
    case UInt8(ascii: "q"): if let client, client.isReady { client.ask(request(event, size)) }
    case UInt8(ascii: "s"): backend(event)?.hint(event[2], size: size)
    case UInt8(ascii: "t"): _ = turn()
    case UInt8(ascii: "w"): client?.tunnel(event[1])
    case UInt8(ascii: "x"): backend(event)?.leave(event[2])
    // What it has said comes before what others say in this turn.
    case UInt8(ascii: "z"): client?.push()
    default: break
    }
  }

  private func backend(_ event: Script.Event) -> BackendPeer? { backends[event[0] % backends.count].peer(event[1]) }

  /// What the control thread has told the worker comes to it as an event among others.
  private func obey(_ order: Script.Event) {
    guard let worker else { return }
    switch order.what {
    case UInt8(ascii: "i"): worker.install(stage.snapshots[order[0] % stage.snapshots.count])
    case UInt8(ascii: "y"): worker.review(stage.trust[order[0] % stage.trust.count])
    case UInt8(ascii: "u"): control(order[0])
    case UInt8(ascii: "v"): introspected(order[0])
    default: worker.drain()
    }
  }

  private static let sizes = [100, 0, 1, 8, 1_000, 8_192, 16_384, 40_000, 70_000, 200_000]
  /// Milliseconds.
  private static let times: [UInt64] = [1, 10, 100, 1_000, 3_000, 5_000, 9_000, 15_000, 31_000, 3_600_000]

  private func request(_ event: Script.Event, _ size: Int) -> Asked {
    ledger.ask(Asked.Kind(rawValue: event[1]) ?? .get, route: event[2], size: size)
  }

  private func command(_ backend: BackendSide, _ what: Int, _ number: Int) {
    switch what {
    case 7: backend.peer(number)?.shakesHands = true
    case 8: backend.peer(number)?.reads = false
    case 9: backend.peer(number)?.reads = true
    default: backend.mode = BackendSide.Mode(rawValue: what) ?? .takes
    }
  }

  private func control(_ what: Int) {
    guard let worker else { return }
    switch what {
    case 0: worker.keyWaiting.settled(stage.remoteKeys)
    case 1: worker.install(stage.laterKeys, for: stage.remoteKeys)
    case 2: worker.install(nil, for: stage.remoteKeys)
    case 3...5: worker.install(stage.revocations[what - 3])
    case 6: worker.install(stage.otherTokens)
    default: worker.install(stage.snapshots[0].internalTokens)
    }
  }

  private func introspected(_ what: Int) {
    guard let worker, !questions.isEmpty else { return }
    let (remote, digest) = questions.removeFirst()
    let now = worker.seconds
    let answer: IntrospectionAnswer
    switch what {
    case 0...5:
      let members = #"{"active":true,"sub":"dee","aud":"api","iss":"https://asked","exp":\#(now + 20)}"#
      answer = .parse(Array(members.utf8), askedAt: now)
    case 6, 7: answer = .inactive(askedAt: now)
    default: answer = .unavailable
    }
    worker.install(answer, about: digest, from: remote)
  }

  // MARK: Clients

  private func connect(_ place: Int, _ kind: Int) {
    guard crowd.count < 90 else { return }
    if let old = clients[place], old.isOpen { crowd.append(old) }
    clients[place] = nil
    let entrance: Stage.Entrance =
      switch kind {
      case 2...5: .encrypted
      case 6, 9: .balanced
      case 7: .redirect
      case 8: .keys
      default: .plain
      }
    var pair: [Int32] = [0, 0]
    guard socketpair(AF_UNIX, gh_SOCK_STREAM, 0, &pair) == 0 else { violation("no sockets") }
    // A client that does not read is felt soon.
    var buffer: Int32 = 8 << 10
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, 4)
    let address = PeerAddress(v4: 0x0a00_0000 | UInt32(place), port: 1)
    entrances[entrance.rawValue].accepted(pair[0], from: address)
    let wire =
      entrance == .encrypted
      ? Wire(TLSConnection(connecting: stage.clientTLS[kind == 3 ? 1 : 0], fd: pair[1]), descriptor: pair[1]) : Wire(plain: pair[1])
    let client: Client
    if kind == 1 || kind == 3 || kind == 9 {
      client = HTTP2Client(descriptor: pair[1], wire: wire, stage: stage)
    } else {
      client = HTTP1Client(descriptor: pair[1], wire: wire, stage: stage)
    }
    if kind == 6 { client.say("PROXY TCP4 192.0.2.\(1 + place % 3) 127.0.0.1 1 2\r\n") }
    if kind == 9 { client.say("PROXY TCP4 192.0.2.1 127") }
    if kind == 4 || kind == 5 { client.shakesHands = false }
    if kind == 5 { client.garble() }
    if kind == 1 { (client as? HTTP2Client)?.greet() }
    client.onAnswered = { [ledger] in ledger.checkEnd($0) }
    clients[place] = client
  }

  private func leave(_ place: Int, _ how: Int) {
    switch how {
    case 0, 1, 2: clients[place]?.end(Peer.Ending(rawValue: how) ?? .abrupt)
    case 8:
      // Half of those nobody names any more.
      for client in crowd.prefix(crowd.count / 2 + 1) { client.end(.abrupt) }
    case 9: for client in crowd { client.end(.abrupt) }
    default: clients[place]?.end(.abrupt)
    }
    crowd.removeAll { !$0.isOpen }
  }

  // MARK: Turns

  /// Whether anything has happened.
  private func turn() -> Bool {
    guard let loop else { return false }
    hands.monotonic += 20_000
    loop.turn(atMost: 0)
    var moved = loop.eventCount > 0
    for backend in backends where backend.pump() { moved = true }
    for client in clients { if client?.pump() == true { moved = true } }
    for client in crowd where client.pump() { moved = true }
    crowd.removeAll { !$0.isOpen }
    check()
    return moved
  }

  private func settle() {
    var quiet = 0
    for _ in 0..<60 {
      quiet = turn() ? 0 : quiet + 1
      if quiet == 3 { return }
    }
  }

  private func check() {
    guard let worker, let loop else { return }
    if let fault = worker.fault { violation(fault) }
    for channel in loop.channels() {
      living.note(channel)
      guard let connection = channel as? SecureChannel else { continue }
      if connection.output.count > Self.mostOutput { violation("\(connection.output.count) bytes wait to be written to \(type(of: connection))") }
      if connection.input.count > Self.mostInput { violation("\(connection.input.count) bytes wait to be read by \(type(of: connection))") }
    }
  }

  // MARK: The end

  /// Everybody leaves, time passes, and nothing is left; or the worker ends at once.
  func end() {
    guard let loop, let worker else { return }
    if !endsAtOnce {
      settle()
      checkRest(loop)
      leaveAll()
      settle()
      for second in 0..<300 where loop.channelCount > ownChannels {
        hands.monotonic += second < 60 ? 1_000_000_000 : 60_000_000_000
        for backend in backends { backend.end() }
        loop.turn(atMost: 0)
        check()
      }
      living.checkClosed()
      guard loop.channelCount == ownChannels else { violation("\(loop.channels().map { "\(type(of: $0))" }) never end") }
    }
    loop.closeAll()
    living.checkClosed()
    checkEmpty(worker)
    leaveAll()
    for entrance in entrances { entrance.abandon() }
    entrances = []
    worker.close()
    orders = nil
  }

  private func leaveAll() {
    for client in clients { client?.end(.abrupt) }
    for client in crowd { client.end(.abrupt) }
    for backend in backends { backend.end() }
    clients = []
    crowd = []
  }

  /// When nobody moves, the loop has nothing to do.
  private func checkRest(_ loop: EventLoop) {
    for _ in 0..<200 {
      loop.turn(atMost: 0)
      if loop.eventCount == 0 { return }
    }
    violation("the loop is busy with nothing")
  }

  private func checkEmpty(_ worker: WorkerContext) {
    if let fault = worker.fault { violation(fault) }
    guard worker.activeExchanges == 0 else { violation("\(worker.activeExchanges) exchanges are left") }
    guard worker.openConnections == 0 else { violation("\(worker.openConnections) connections are left") }
    for pool in worker.snapshot.pools where pool.openConnections > 0 { violation("\(pool.openConnections) connections to \(pool.backend.name) are left") }
    for side in WorkerCounts.Side.allCases {
      for version in WorkerCounts.ConnectionProtocol.allCases {
        let open = counts.openConnections(side: side, protocol: version)
        if open != 0 { violation("the gauge of \(version) on the side of \(side) says \(open)") }
      }
    }
  }
}
