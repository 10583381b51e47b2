import Testing

@testable import Gateway

struct WorkerLogTests {
  @Test func `A worker has so many sentences under way, and what is beyond is counted`() {
    let log = WorkerLog()
    var posted = 0
    for _ in 0..<WorkerLog.limit + 7 { log.hand(over: "a") { _ in posted += 1 } }
    #expect(posted == WorkerLog.limit)
    #expect(log.arrived() == 7)
    log.hand(over: "b") { _ in posted += 1 }
    #expect(posted == WorkerLog.limit + 1)
    #expect(log.arrived() == 0)
  }
}
