import Glibc
import Reactor
import Testing

@testable import Resolver

@Suite("Names are looked up without waiting, and nothing outlives its owner")
struct ResolverTests {
  /// A loop, a name server and a resolver that asks it.
  private final class Bench {
    let loop: EventLoop
    let server: FakeNameServer
    let resolver: Resolver
    private(set) var answers: [String: NameAnswer] = [:]
    private(set) var count = 0

    init(_ reply: @escaping (String, UInt8) -> FakeNameServer.Reply) throws {
      loop = try EventLoop()
      server = try FakeNameServer(loop: loop)
      server.reply = reply
      resolver = try Resolver(loop: loop, servers: server.servers)
    }

    deinit {
      resolver.close()
      loop.closeAll()
    }

    @discardableResult
    func lookUp(_ host: String) -> Resolver.LookupID {
      resolver.lookUp(host) { [unowned self] answer in
        answers[host] = answer
        count += 1
      }
    }

    func turn(until isDone: () -> Bool, seconds: Double = 30) {
      let end = ContinuousClock.now + .seconds(seconds)
      while !isDone(), ContinuousClock.now < end { loop.turn(atMost: 20) }
    }
  }

  private func texts(_ answer: NameAnswer?) -> [String] { answer?.addresses.map(\.description) ?? [] }

  private func failure(_ answer: NameAnswer?) -> NameFailure? { if case .failed(let failure)? = answer { failure } else { nil } }

  @Test func `A literal and a name of the hosts file need no server, and are told after the call`() throws {
    let bench = try Bench { _, _ in .silence }
    bench.lookUp("192.0.2.7")
    bench.lookUp("2001:db8::7")
    bench.lookUp("localhost")
    #expect(bench.answers.isEmpty)
    bench.turn { bench.count == 3 }
    #expect(texts(bench.answers["192.0.2.7"]) == ["192.0.2.7:0"])
    #expect(texts(bench.answers["2001:db8::7"]) == ["[2001:db8::7]:0"])
    #expect(texts(bench.answers["localhost"]).contains("127.0.0.1:0"))
    #expect(bench.server.questions.isEmpty)
  }

  @Test func `A name has the addresses that its server says, and their time`() throws {
    let bench = try Bench { name, _ in name == "orders.example" ? .addresses([[192, 0, 2, 1], [192, 0, 2, 2]]) : .code(3) }
    bench.lookUp("orders.example")
    bench.lookUp("nobody.example")
    bench.turn { bench.count == 2 }
    #expect(Set(texts(bench.answers["orders.example"])) == ["192.0.2.1:0", "192.0.2.2:0"])
    guard case .addresses(_, lifetime: 60)? = bench.answers["orders.example"] else { return #expect(Bool(false)) }
    #expect(failure(bench.answers["nobody.example"]) == .notFound)
  }

  @Test func `A name that hangs keeps no other, and fails in its time`() throws {
    let bench = try Bench { name, _ in name == "slow.example" ? .silence : .addresses([[192, 0, 2, 1]]) }
    bench.lookUp("slow.example")
    for number in 0..<50 { bench.lookUp("\(number).example") }
    let began = ContinuousClock.now
    bench.turn { bench.count == 50 }
    #expect(bench.count == 50 && bench.answers["slow.example"] == nil)
    #expect(ContinuousClock.now - began < .seconds(2))
    bench.turn { bench.count == 51 }
    #expect(failure(bench.answers["slow.example"]) == .noAnswer)
  }

  @Test(arguments: [
    [] as [UInt8], [0x81], [0x81, 0x80, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], [UInt8](repeating: 0xc0, count: 500),
    [UInt8](repeating: 0xff, count: 512), [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1],
  ])
  func `What is no answer is none`(bytes: [UInt8]) throws {
    let bench = try Bench { _, _ in .bytes(bytes) }
    bench.lookUp("a.example")
    bench.turn { bench.count == 1 }
    #expect(failure(bench.answers["a.example"]) != nil)
  }

  @Test func `An answer by another's number is not believed, and an empty datagram ends nothing`() throws {
    let bench = try Bench { _, type in type == 1 ? .bytes([], keepsIdentifier: false) : .bytes([0, 0, 0x81, 0x80], keepsIdentifier: false) }
    bench.lookUp("a.example")
    bench.turn { bench.count == 1 }
    #expect(bench.answers["a.example"] != nil && texts(bench.answers["a.example"]).isEmpty)
    bench.server.reply = { _, _ in .addresses([[192, 0, 2, 9]]) }
    bench.lookUp("b.example")
    bench.turn { bench.count == 2 }
    #expect(texts(bench.answers["b.example"]) == ["192.0.2.9:0"])
  }

  @Test func `Of many addresses some are taken`() throws {
    // A datagram holds no more of these, and a server that says so would be asked by TCP.
    let bench = try Bench { _, _ in .addresses((0..<28).map { [192, 0, 2, UInt8($0)] } + [[192, 0, 2, 0], [192, 0, 2, 1]]) }
    bench.lookUp("many.example")
    bench.turn { bench.count == 1 }
    #expect(texts(bench.answers["many.example"]).count == 28)
  }

  @Test func `Nobody hears of a lookup that was cancelled`() throws {
    let bench = try Bench { _, _ in .addresses([[192, 0, 2, 1]]) }
    let asked = bench.lookUp("a.example")
    let literal = bench.lookUp("192.0.2.1")
    bench.resolver.cancel(asked)
    bench.resolver.cancel(literal)
    bench.turn { bench.server.questions.count >= 2 }
    bench.lookUp("b.example")
    bench.turn { bench.count == 1 }
    #expect(bench.answers.keys.sorted() == ["b.example"])
  }

  @Test func `Nobody hears of anything after the end, wherever it comes`() throws {
    for round in 0..<200 {
      let bench = try Bench { name, _ in name.hasPrefix("1") ? .silence : .addresses([[192, 0, 2, 1]]) }
      for number in 0..<20 { bench.lookUp("\(number).example") }
      bench.lookUp("192.0.2.1")
      // Before anything was sent, in the middle of answers, behind them.
      for _ in 0..<(round % 5) { bench.loop.turn(atMost: 1) }
      let heard = bench.count
      bench.resolver.close()
      for _ in 0..<3 { bench.loop.turn(atMost: 1) }
      #expect(bench.count == heard)
      bench.lookUp("late.example")
      bench.loop.turn(atMost: 1)
      #expect(bench.count == heard)
    }
  }

  @Test func `Whoever is told may look up, cancel, change the servers and end it`() throws {
    let bench = try Bench { _, _ in .addresses([[192, 0, 2, 1]]) }
    let resolver = bench.resolver
    var told: [String] = []
    var victim: Resolver.LookupID?
    resolver.lookUp("192.0.2.1") { _ in
      told.append("first")
      if let victim { resolver.cancel(victim) }
      resolver.lookUp("a.example") { _ in
        told.append("second")
        resolver.use(servers: bench.server.servers + ["127.0.0.1:1"])
        resolver.lookUp("b.example") { _ in
          told.append("third")
          resolver.close()
        }
        resolver.lookUp("192.0.2.3") { _ in told.append("fourth") }
      }
    }
    victim = resolver.lookUp("192.0.2.2") { _ in told.append("cancelled") }
    bench.turn { told.contains("third") }
    #expect(told == ["first", "second", "fourth", "third"])
  }

  @Test func `Other servers are asked for what is under way`() throws {
    let bench = try Bench { _, _ in .silence }
    let other = try FakeNameServer(loop: bench.loop)
    other.reply = { _, _ in .addresses([[192, 0, 2, 5]]) }
    bench.lookUp("a.example")
    bench.turn { !bench.server.questions.isEmpty }
    bench.resolver.use(servers: other.servers)
    bench.turn { bench.count == 1 }
    #expect(texts(bench.answers["a.example"]) == ["192.0.2.5:0"])
  }

  @Test func `So many at once, the others in their turn, and no more than there is room for`() throws {
    let bench = try Bench { _, _ in .silence }
    let all = Resolver.maximumConcurrency + Resolver.maximumWaiting
    for number in 0..<(all + 3) { bench.lookUp("\(number).example") }
    bench.turn { bench.count >= 3 }
    #expect(bench.count == 3 && bench.answers.values.allSatisfy { failure($0) == .tooMany })
    // What was cancelled makes room.
    bench.resolver.cancel(bench.lookUp("192.0.2.1"))
    bench.server.reply = { _, _ in .code(3) }
    bench.turn(until: { bench.count == all + 3 }, seconds: 60)
    #expect(bench.count == all + 3)
  }

  @Test func `What is no name is not looked up`() throws {
    let bench = try Bench { _, _ in .silence }
    for host in ["", "a\u{0}b", String(repeating: "a", count: 256)] { bench.lookUp(host) }
    bench.turn { bench.count == 3 }
    #expect(bench.answers.values.allSatisfy { failure($0) == .notFound })
  }

  @Test func `The system's settings may be files with any number, and of any time`() {
    var status = stat()
    status.st_ino = .max
    status.st_mtim.tv_sec = -1
    var (first, second) = (SystemSettings(), SystemSettings())
    first.add(status)
    status.st_ino -= 1
    second.add(status)
    #expect(first != second)
    second.add(nil)
    #expect(second != first)
  }
}
