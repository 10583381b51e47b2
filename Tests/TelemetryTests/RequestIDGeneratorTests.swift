import Testing

@testable import Telemetry

struct RequestIDGeneratorTests {
  private func next(_ generator: inout RequestIDGenerator, at time: Int64) -> String {
    var bytes = [UInt8](repeating: 0, count: RequestIDGenerator.length)
    var span = bytes.mutableSpan
    generator.next(at: time, to: &span)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func `An id is a UUID of version 7 that begins with the time`() throws {
    var generator = RequestIDGenerator()
    // RFC 9562 appendix A.6: 2022-02-22 14:22:22.00 GMT-05:00.
    let id = next(&generator, at: 0x017F_22E2_79B0)
    let form = /017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/
    #expect(try form.wholeMatch(in: id) != nil, "\(id)")
  }

  @Test func `Ids of one worker grow, within a millisecond and when the clock runs back a little`() {
    var generator = RequestIDGenerator()
    var last = ""
    for step in 0..<20_000 {
      // 20,000 in about three milliseconds: more than the 12 bits count.
      let time = 1_700_000_000_000 + Int64(step / 8000) - (step % 7 == 0 ? 5 : 0)
      let id = next(&generator, at: time)
      #expect(id > last)
      last = id
    }
  }

  @Test func `A clock set back by hours is followed`() {
    var generator = RequestIDGenerator()
    _ = next(&generator, at: 1_700_000_000_000)
    var other = RequestIDGenerator()
    #expect(
      next(&generator, at: 1_600_000_000_001).prefix(13) == next(&other, at: 1_600_000_000_001).prefix(13))
  }

  @Test func `Times out of range still make an id`() {
    var generator = RequestIDGenerator()
    for time in [Int64.min, -1, 0, Int64.max] {
      #expect(next(&generator, at: time).utf8.count == 36)
    }
  }

  @Test func `Two workers make different ids`() {
    var one = RequestIDGenerator()
    var two = RequestIDGenerator()
    let ids = (0..<2000).flatMap { _ in [next(&one, at: 1), next(&two, at: 1)] }
    #expect(Set(ids).count == 4000)
  }

  @Test func `The generator is xoshiro256++`() {
    // From the reference algorithm with the state 1, 2, 3, 4.
    var random = RandomGenerator(seed: (1, 2, 3, 4))
    #expect((0..<4).map { _ in random.next() } == [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386])
  }
}
