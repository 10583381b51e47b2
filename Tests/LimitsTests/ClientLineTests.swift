import Limits
import Testing

struct ClientLineTests {
  private func origin(_ address: UInt64, _ connection: UInt64 = 0) -> ClientOrigin {
    ClientOrigin(address: ClientAddress(high: 0, low: address), connection: connection)
  }

  private func next(_ line: inout ClientLine<String>, where mayGo: (ClientOrigin, Bool) -> Bool = { _, _ in true }) -> String? {
    guard let place = line.first(where: mayGo) else { return nil }
    return line.take(place)
  }

  @Test func `Turn goes round by client, and each client's own are in order`() {
    var line = ClientLine<String>()
    for number in 1...3 { _ = line.append("a\(number)", of: origin(1)) }
    _ = line.append("b1", of: origin(2))
    for number in 1...2 { _ = line.append("c\(number)", of: origin(3, 7)) }
    var order: [String] = []
    while let one = next(&line) { order.append(one) }
    #expect(order == ["a1", "b1", "c1", "a2", "c2", "a3"])
    #expect(line.isEmpty)
    #expect(line.clients == 0)
  }

  @Test func `Who may not go is passed over and keeps his turn`() {
    var line = ClientLine<String>()
    _ = line.append("a", of: origin(1))
    _ = line.append("b", of: origin(2))
    _ = line.append("tunnel", of: origin(1), kind: true)
    #expect(next(&line) { origin, _ in origin != self.origin(1) } == "b")
    #expect(next(&line) { _, isTunnel in isTunnel } == "tunnel")
    #expect(next(&line) == "a")
    #expect(next(&line) == nil)
  }

  @Test func `Who leaves is not found, nor is whoever stood there before`() {
    var line = ClientLine<String>()
    let first = line.append("a", of: origin(1))
    let middle = line.append("b", of: origin(1))
    _ = line.append("c", of: origin(1))
    #expect(line.remove(middle) == "b")
    #expect(line.remove(middle) == nil)
    let again = line.append("d", of: origin(2))
    #expect(line.element(at: middle) == nil)
    #expect(line.element(at: again) == "d")
    line.update(first) { $0 = "a'" }
    #expect([next(&line), next(&line), next(&line)] == ["a'", "d", "c"])
    #expect(line.take(first) == nil)
  }

  @Test func `Who has most gives way to one who would have less`() {
    var line = ClientLine<String>()
    var counts = ClientLedger()
    func add(_ name: String, _ origin: ClientOrigin) {
      _ = line.append(name, of: origin)
      counts.add(1, to: origin.address)
    }
    func displaced(by origin: ClientOrigin) -> String? {
      line.displaced(by: origin) { counts.amount(of: $0.address) }.flatMap { line.element(at: $0) }
    }
    for number in 1...2 { add("a\(number)", origin(1, 7)) }
    for number in 3...5 { add("a\(number)", origin(1, 8)) }
    add("b", origin(2))
    #expect(displaced(by: origin(3)) == "a5")
    #expect(displaced(by: origin(2)) == "a5")
    // Within a client, by connection.
    #expect(displaced(by: origin(1, 9)) == "a5")
    #expect(displaced(by: origin(1, 8)) == nil)
    #expect(displaced(by: origin(1, 7)) == nil)
    for number in 2...5 { add("b\(number)", origin(2)) }
    #expect(displaced(by: origin(2)) == nil)
  }

  @Test func `Whatever comes and goes, everybody is served once, in his client's order`() {
    var random = SystemRandomNumberGenerator()
    var line = ClientLine<Int>()
    var standing: [UInt64: [(Int, ClientLine<Int>.Place)]] = [:]
    var count = 0
    for number in 0..<5_000 {
      let client = UInt64.random(in: 1...5, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0, 1:
        standing[client, default: []].append((number, line.append(number, of: origin(client))))
        count += 1
      case 2:
        guard let own = standing[client], !own.isEmpty else { continue }
        let index = Int.random(in: 0..<own.count, using: &random)
        #expect(line.remove(own[index].1) == own[index].0)
        standing[client]?.remove(at: index)
        count -= 1
      default:
        guard let place = line.first(where: { _, _ in true }), let one = line.take(place) else {
          #expect(count == 0)
          continue
        }
        let (client, own) = standing.first { $0.value.contains { $0.0 == one } } ?? (0, [])
        #expect(own.first?.0 == one)
        standing[client]?.removeFirst()
        count -= 1
      }
      #expect(line.count == count)
      #expect(line.all.count == count)
      #expect(line.clients == standing.count { !$0.value.isEmpty })
    }
  }
}
