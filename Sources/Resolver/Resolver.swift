import CLinux
import Reactor

/// Looks names up on an event loop, without ever waiting: c-ares with the loop's sockets and clock.
///
/// Names come from the hosts file and from DNS, as the system's `resolv.conf` says or from servers that are named; literal addresses
/// are answered at once. Each name is looked up by itself: one that hangs keeps no other. On the loop's thread only.
package final class Resolver {
  /// One lookup, for good: a number is never given out twice.
  package struct LookupID: Hashable, Sendable {
    fileprivate let number: UInt64
  }

  private struct Lookup {
    let host: String
    let completion: (NameAnswer) -> Void
  }

  /// Lookups under way at once; more wait for one of these, as long as there is room.
  package static let maximumConcurrency = 512
  package static let maximumWaiting = 16_384
  /// Bytes of a name, with its dots (RFC 1035 section 2.3.4).
  private static let longestName = 255
  /// Milliseconds between two looks at the system's settings.
  private static let settingsPeriod: UInt64 = 5_000

  private let loop: EventLoop
  package private(set) var servers: [String]
  private var channel: CaresChannel?
  private var pump: Pump?
  private var sockets: [Int32: ResolverSocket] = [:]
  private var lookups: [UInt64: Lookup] = [:]
  private var last: UInt64 = 0
  /// Of `lookups`, those that c-ares knows, and those that wait for it.
  private var asked: Set<UInt64> = []
  private var waiting: [UInt64] = []
  /// Answers that are told at the end of the turn.
  private var answers: [(number: UInt64, answer: NameAnswer)] = []
  private var family = AF_UNSPEC
  private var settings = SystemSettings()
  private var settingsAt: UInt64 = 0

  /// - Parameter servers: `ADDRESS:PORT` each; the system's when there are none.
  package init(loop: EventLoop, servers: [String] = []) throws(Errno) {
    self.loop = loop
    self.servers = servers
    pump = try Pump(loop: loop)
    pump?.owner = self
  }

  deinit { close() }

  /// `completion` is called once, on the loop's thread, after this has returned; not after `cancel` or `close`.
  @discardableResult
  package func lookUp(_ host: String, _ completion: @escaping (NameAnswer) -> Void) -> LookupID {
    last = last % CaresOutbox.maximumLookup + 1
    let number = last
    lookups[number] = Lookup(host: host, completion: completion)
    if waiting.count == Self.maximumWaiting { waiting.removeAll { lookups[$0] == nil } }
    if host.isEmpty || host.utf8.count > Self.longestName || host.utf8.contains(0) {
      tell(number, .failed(.notFound))
    } else if let literal = SocketAddress(literal: host, port: 0) {
      tell(number, .addresses([literal], lifetime: nil))
    } else if asked.count < Self.maximumConcurrency {
      ask([number])
    } else if waiting.count < Self.maximumWaiting {
      waiting.append(number)
    } else {
      tell(number, .failed(.tooMany))
    }
    return LookupID(number: number)
  }

  /// Whoever waits for it no longer does. c-ares may go on for a while: what it finds is dropped.
  package func cancel(_ id: LookupID) { lookups[id.number] = nil }

  /// Other servers from here on. Lookups that are under way begin anew with them.
  package func use(servers: [String]) {
    guard servers != self.servers else { return }
    self.servers = servers
    renew()
  }

  package func close() {
    lookups = [:]
    waiting = []
    answers = []
    abandonChannel()
    pump?.close()
    pump = nil
  }

  // MARK: Asking

  private func ask(_ numbers: [UInt64]) {
    refreshSettings()
    for number in numbers {
      guard let lookup = lookups[number] else { continue }
      guard let channel else {
        tell(number, .failed(.broken))
        continue
      }
      asked.insert(number)
      channel.lookUp(lookup.host, number, family: family)
    }
    hear()
  }

  /// The system's settings may change while the process lives; c-ares reads them when a channel is made.
  private func refreshSettings() {
    guard channel == nil || loop.now >= settingsAt else { return }
    settingsAt = loop.now + Self.settingsPeriod
    family = AddressFamilies.wanted
    let found = SystemSettings.look()
    if channel == nil {
      settings = found
      channel = CaresChannel(servers: servers)
    } else if found != settings {
      settings = found
      renew()
    }
  }

  /// A new channel, which everything that is under way is asked of again.
  private func renew() {
    guard channel != nil else { return }
    let again = asked.sorted().filter { lookups[$0] != nil }
    abandonChannel()
    channel = CaresChannel(servers: servers)
    ask(again)
  }

  private func abandonChannel() {
    channel?.close()
    channel = nil
    for socket in sockets.values { socket.close() }
    sockets = [:]
    asked = []
  }

  // MARK: Hearing

  fileprivate func socketReady(_ socket: Int32, _ readiness: Readiness) {
    // Broken is read as well: that is how c-ares learns of it.
    let reads = !readiness.isDisjoint(with: [.read, .hangup])
    channel?.process(reading: reads ? socket : nil, writing: readiness.contains(.write) ? socket : nil)
    hear()
  }

  fileprivate func timePassed() {
    channel?.process()
    hear()
  }

  /// Reads what c-ares has said, and sets the clock for what it will say next.
  private func hear() {
    var changes: [Int32: (isOld: Bool, wants: Readiness)] = [:]
    for event in channel?.take() ?? [] {
      switch event {
      case .answer(let number, let answer):
        asked.remove(number)
        tell(number, answer)
      case .socket(let socket, let reads, let writes):
        let wants: Readiness = [reads ? .read : [], writes ? .write : []]
        // Closed, and perhaps opened again by the same number: then it is another socket.
        let isOld = (changes[socket]?.isOld ?? true) && !wants.isEmpty
        changes[socket] = (isOld, wants)
      }
    }
    for (socket, change) in changes { watch(socket, change.wants, isOld: change.isOld) }
    if !waiting.isEmpty, asked.count < Self.maximumConcurrency { askWaiting() }
    pump?.setDeadline(channel?.delay ?? 0)
  }

  private func watch(_ socket: Int32, _ wants: Readiness, isOld: Bool) {
    if !isOld { sockets.removeValue(forKey: socket)?.close() }
    guard !wants.isEmpty else { return }
    if let known = sockets[socket] { return known.want(wants) }
    // Without a descriptor for it nobody hears of the answer, and c-ares gives up after its time.
    guard let made = try? ResolverSocket(loop: loop, socket: socket, owner: self) else { return }
    sockets[socket] = made
    do throws(Errno) {
      try made.register(wants)
    } catch {
      sockets[socket] = nil
    }
  }

  private func askWaiting() {
    let count = min(waiting.count, Self.maximumConcurrency - asked.count)
    let next = Array(waiting.prefix(count))
    waiting.removeFirst(count)
    ask(next)
  }

  // MARK: Telling

  private func tell(_ number: UInt64, _ answer: NameAnswer) {
    guard lookups[number] != nil else { return }
    answers.append((number, answer))
    pump?.awaitTurnEnd()
  }

  fileprivate func tellAnswers() {
    let due = answers
    answers = []
    for (number, answer) in due { lookups.removeValue(forKey: number)?.completion(answer) }
  }

  /// The clock, and the end of the turn.
  private final class Pump: Channel {
    weak var owner: Resolver?

    init(loop: EventLoop) throws(Errno) {
      super.init(loop: loop, descriptor: Int32(try Syscall.require { Int(eventfd(0, Int32(EFD_CLOEXEC))) }))
      try register([])
    }

    override func deadlineReached() { owner?.timePassed() }
    override func turnEnding() { owner?.tellAnswers() }
  }
}

/// One of c-ares' sockets as the loop knows it: a duplicate, since c-ares closes its own whenever it likes.
private final class ResolverSocket: Channel {
  private let socket: Int32
  private weak var owner: Resolver?

  init(loop: EventLoop, socket: Int32, owner: Resolver) throws(Errno) {
    self.socket = socket
    self.owner = owner
    super.init(loop: loop, descriptor: Int32(try Syscall.require { Int(gh_duplicate(socket)) }))
  }

  override func ready(_ readiness: Readiness) { owner?.socketReady(socket, readiness) }
}

/// What tells that the system's settings have changed.
struct SystemSettings: Equatable {
  private var parts: [UInt64] = []

  static func look() -> SystemSettings {
    var settings = SystemSettings()
    for path in ["/etc/resolv.conf", "/etc/nsswitch.conf"] {
      var status = stat()
      settings.add(unsafe stat(path, &status) == 0 ? status : nil)
    }
    return settings
  }

  /// - Parameter status: nil for a file that is not there.
  mutating func add(_ status: stat?) {
    guard let status else { return parts.append(0) }
    // Inode numbers of layered and remote file systems take all 64 bits, and times may be before 1970.
    parts += [1, UInt64(status.st_ino)]
    parts += [Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec].map { UInt64(bitPattern: Int64($0)) }
  }
}
