import Reactor
import Testing

@testable import Resolver

@Suite("Names are looked up again in their time, each by itself")
struct NameBookTests {
  private let one = NameAnswer.addresses([SocketAddress(literal: "192.0.2.1", port: 0)!], lifetime: 60)
  private let two = NameAnswer.addresses([SocketAddress(literal: "192.0.2.2", port: 0)!], lifetime: nil)

  private func hosts(_ due: [(host: String, number: UInt64)]) -> [String] { due.map(\.host).sorted() }

  @Test func `A new name is due at once, and asked for once`() {
    var book = NameBook()
    book.watch(["a", "b"], now: 5)
    #expect(book.wakeAt == 5)
    let due = book.due(now: 5)
    #expect(hosts(due) == ["a", "b"] && book.wakeAt == nil && book.due(now: 1_000_000).isEmpty)
    let a = due.first { $0.host == "a" }!
    #expect(book.answered("a", a.number, one, now: 10) == .moved)
    #expect(book.addresses(of: "a").count == 1 && book.addresses(of: "b").isEmpty)
    // One that hangs is not asked for again, and keeps no other.
    #expect(book.wakeAt == 10 + NameBook.period && hosts(book.due(now: 10 + NameBook.period)) == ["a"])
  }

  @Test func `A name keeps its addresses, and says once what has changed`() {
    var book = NameBook()
    book.watch(["a"], now: 0)
    func answered(_ answer: NameAnswer, now: UInt64) -> NameBook.Change {
      guard let due = book.due(now: now).first else { return .none }
      return book.answered("a", due.number, answer, now: now)
    }
    #expect(answered(.failed(.noAnswer), now: 0) == .failed(.noAnswer))
    #expect(book.wakeAt == NameBook.retry)
    #expect(answered(.failed(.noAnswer), now: 2_000) == .none)
    #expect(answered(.failed(.notFound), now: 4_000) == .failed(.notFound))
    #expect(answered(one, now: 6_000) == .moved && book.failure(of: "a") == nil)
    #expect(answered(one, now: 36_000) == .none)
    #expect(answered(.failed(.refused), now: 66_000) == .failed(.refused))
    #expect(book.addresses(of: "a").map(\.description) == ["192.0.2.1:0"] && book.wakeAt == 66_000 + NameBook.period)
    #expect(answered(two, now: 96_000) == .moved)
  }

  @Test func `Answers to nobody's question change nothing`() {
    var book = NameBook()
    book.watch(["a"], now: 0)
    let first = book.due(now: 0)[0]
    book.hurry(now: 1)
    let second = book.due(now: 1)[0]
    #expect(book.answered("a", first.number, one, now: 2) == .none && book.addresses(of: "a").isEmpty)
    #expect(book.answered("b", second.number, one, now: 2) == .none)
    book.watch([], now: 2)
    book.watch(["a"], now: 2)
    #expect(book.answered("a", second.number, one, now: 3) == .none && book.addresses(of: "a").isEmpty)
    #expect(book.due(now: 3).count == 1)
  }

  @Test func `What is known of a name outlives what it is watched for`() {
    var book = NameBook()
    book.watch(["a"], now: 0)
    book.learn("a", one.addresses, now: 0)
    book.learn("unknown", one.addresses, now: 0)
    book.watch(["a", "b"], now: 1)
    #expect(book.addresses(of: "a").count == 1 && book.addresses(of: "unknown").isEmpty && hosts(book.due(now: 1)) == ["b"])
  }
}
