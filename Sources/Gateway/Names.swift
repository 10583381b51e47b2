import Bytes
import Configuration
import Reactor
import Resolver
import Upstream

/// The names that configurations mention, and what they resolve to. On the control thread, which never waits for one.
///
/// A name in force is looked up again and again, by itself; its endpoints are told. A configuration that is about to be built has its
/// new names looked up first, and is built with what is known after a short while: what comes later is told to its endpoints.
final class Names {
  let resolver: Resolver
  private let loop: EventLoop
  /// Hears of names that resolve, or no longer do.
  var say: (String) -> Void = { _ in }
  private var book = NameBook()
  private var endpoints: [String: [Endpoint]] = [:]
  private var timer: LoopTimer?
  /// Of names that are not watched, or not yet: those of the last configuration that was prepared.
  private var prepared: [String: [SocketAddress]]
  private var preparation: Preparation?

  private struct Preparation {
    var missing: Set<String>
    let patience: LoopTimer
    let done: () -> Void
  }

  /// Milliseconds that a start, and a reload, waits for names.
  static let startPatience = 3_000
  static let reloadPatience = 1_000

  /// - Parameter known: what a start has found out already.
  init(loop: EventLoop, servers: [String], known: [String: [SocketAddress]]) throws(Errno) {
    self.loop = loop
    prepared = known
    resolver = try Resolver(loop: loop, servers: servers)
    timer = LoopTimer(loop: loop) { [weak self] in self?.lookAgain() }
  }

  func close() {
    preparation?.patience.close()
    preparation = nil
    timer?.close()
    timer = nil
    resolver.close()
  }

  /// For a start and for `check`, where nothing else goes on: what these names resolve to, as far as that is known in time.
  static func resolve(_ hosts: Set<String>, servers: [String]) -> [String: [SocketAddress]] {
    var found: [String: [SocketAddress]] = [:]
    guard !hosts.isEmpty, let loop = try? EventLoop(), let resolver = try? Resolver(loop: loop, servers: servers) else { return found }
    var missing = hosts.count
    for host in hosts {
      resolver.lookUp(host) { answer in
        missing -= 1
        found[host] = answer.addresses
      }
    }
    let end = Clock.milliseconds + UInt64(startPatience)
    // Looked at once a turn: from one look to the next the end may pass.
    var now = Clock.milliseconds
    while missing > 0, now < end {
      loop.turn(atMost: Int32(clamping: end - now + 1))
      now = Clock.milliseconds
    }
    resolver.close()
    loop.closeAll()
    return found
  }

  // MARK: For a configuration

  /// What a name is known to resolve to.
  func addresses(of host: String) -> [SocketAddress] {
    let watched = book.addresses(of: host)
    return watched.isEmpty ? prepared[host] ?? [] : watched
  }

  /// A configuration with these names is to be built: `done` is called when all are known, or the patience is over.
  func prepare(_ hosts: Set<String>, _ done: @escaping () -> Void) {
    preparation?.patience.close()
    preparation = nil
    prepared = prepared.filter { hosts.contains($0.key) }
    let missing = hosts.filter { addresses(of: $0).isEmpty }
    guard !missing.isEmpty else { return done() }
    let patience = LoopTimer(loop: loop) { [weak self] in self?.endPreparation() }
    patience.setDeadline(Self.reloadPatience)
    preparation = Preparation(missing: missing, patience: patience, done: done)
    for host in missing { resolver.lookUp(host) { [weak self] in self?.found(host, $0) } }
  }

  private func found(_ host: String, _ answer: NameAnswer) {
    if !answer.addresses.isEmpty {
      prepared[host] = answer.addresses
      // It may have come into force meanwhile.
      book.learn(host, answer.addresses, now: loop.now)
      tell(host)
    }
    preparation?.missing.remove(host)
    if preparation?.missing.isEmpty == true { endPreparation() }
  }

  private func endPreparation() {
    guard let ended = preparation else { return }
    preparation = nil
    ended.patience.close()
    ended.done()
  }

  /// A configuration is in force: its names, and by whose word.
  func watch(_ named: [Endpoint], servers: [String]) {
    endpoints = Dictionary(grouping: named, by: \.host)
    book.watch(Set(endpoints.keys), now: loop.now)
    for host in endpoints.keys {
      book.learn(host, prepared[host] ?? [], now: loop.now)
      tell(host)
    }
    if resolver.servers != servers {
      resolver.use(servers: servers)
      book.hurry(now: loop.now)
    }
    lookAgain()
  }

  // MARK: Looking again

  private func lookAgain() {
    for (host, number) in book.due(now: loop.now) {
      resolver.lookUp(host) { [weak self] in self?.answered(host, number, $0) }
    }
    rearm()
  }

  private func answered(_ host: String, _ number: UInt64, _ answer: NameAnswer) {
    switch book.answered(host, number, answer, now: loop.now) {
    case .none: break
    case .moved:
      say("\(host) resolves to \(book.addresses(of: host).prefix(8).map(\.peer.hostText).joined(separator: ", "))")
      tell(host)
    case .failed(let failure):
      let rest = book.addresses(of: host).isEmpty ? "trying again" : "its last addresses stay"
      say("\(host) does not resolve: \(failure.text); \(rest)")
    }
    rearm()
  }

  private func tell(_ host: String) {
    let addresses = book.addresses(of: host)
    for endpoint in endpoints[host] ?? [] { endpoint.update(addresses.compactMap { $0.with(port: endpoint.port) }) }
  }

  private func rearm() {
    guard let wake = book.wakeAt else { return timer?.setDeadline(0) ?? () }
    timer?.setDeadline(Int(max(wake, loop.now + 1) - loop.now))
  }
}

extension SocketAddress {
  /// The same host by another port; nil for a Unix socket.
  func with(port: UInt16) -> SocketAddress? { SocketAddress(literal: peer.hostText, port: port) }
}

extension GatewayConfiguration {
  /// Every name that has to be resolved before something can connect or listen, but for those of identity providers, which are looked
  /// up when they are asked.
  var hostNames: Set<String> {
    var addresses = backends.flatMap { $0.endpoints.map(\.value) } + listeners.map(\.address.value)
    if let admin { addresses.append(admin.address.value) }
    for feed in revocation.feeds {
      if case .redis(let redis) = feed.place { addresses.append(redis.address.value) }
    }
    var names: Set<String> = []
    for case .tcp(let host, _) in addresses where SocketAddress(literal: host, port: 0) == nil { names.insert(host) }
    return names
  }
}
