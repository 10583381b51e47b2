import Proxy
import Testing

struct ContentExpectationTests {
  private func asked(at now: UInt64 = 5) -> ContentExpectation {
    var expectation = ContentExpectation()
    expectation.begin(expects: true)
    expectation.asked(now: now)
    return expectation
  }

  @Test func `A client that expects nothing is told nothing`() {
    var expectation = ContentExpectation()
    expectation.begin(expects: false)
    expectation.asked(now: 5)
    #expect(!expectation.isOpen && expectation.deadline == 0 && !expectation.isDue(now: .max))
    let isTold = expectation.granted()
    #expect(!isTold)
  }

  @Test func `Before a backend is asked no time runs`() {
    var expectation = ContentExpectation()
    expectation.begin(expects: true)
    #expect(expectation.isWaiting && expectation.deadline == 0 && !expectation.isDue(now: .max))
  }

  @Test func `A backend has its time, once, however often it is asked`() {
    var expectation = asked(at: 5)
    #expect(!expectation.isDue(now: 4 + ContentExpectation.patience) && expectation.isDue(now: 5 + ContentExpectation.patience))
    expectation.asked(now: 500)
    #expect(expectation.deadline == 5 + ContentExpectation.patience)
  }

  @Test func `The client is told once`() {
    var expectation = asked()
    let (first, second) = (expectation.granted(), expectation.granted())
    #expect(first && !second && !expectation.isOpen && expectation.deadline == 0)
    expectation.answered()
    #expect(expectation.phase == .none)
  }

  @Test func `A client that sends unasked waits no longer`() {
    var expectation = asked()
    let (first, second, isTold) = (expectation.contentCame(), expectation.contentCame(), expectation.granted())
    #expect(first && !second && !isTold && expectation.deadline == 0)
  }

  @Test func `Behind an answer nobody is told to send, and content that comes is content`() {
    var expectation = asked()
    expectation.answered()
    let isTold = expectation.granted()
    #expect(expectation.phase == .refused && expectation.isOpen && expectation.deadline == 0 && !isTold)
    let came = expectation.contentCame()
    #expect(came && !expectation.isOpen)
  }
}
