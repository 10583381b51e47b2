import Bytes
import Testing

struct ByteQueueTests {
  private func run(_ count: Int, from first: Int = 0) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: first + $0) } }

  @Test func `A new queue holds no bytes and no memory`() {
    let queue = ByteQueue()
    #expect(queue.isEmpty == true)
    #expect(queue.count == 0)
    #expect(queue.allocated == 0)
    #expect(queue.readable.count == 0)
  }

  @Test func `Bytes come out in the order they went in, however they were put in`() {
    var queue = ByteQueue()
    queue.append("GET")
    queue.append(0x20)
    queue.append([0x2f, 0x61])
    [0x62, 0x63].withUnsafeBufferPointer { queue.append($0) }
    [0x64, 0x65].withUnsafeBufferPointer { queue.append($0.baseAddress!, 2) }
    #expect(text(queue) == "GET /abcde")
    queue.consume(4)
    #expect(text(queue) == "/abcde")
    #expect(queue.start[0] == 0x2f)
  }

  @Test func `Nothing appended allocates nothing`() {
    var queue = ByteQueue()
    queue.append("")
    queue.append([])
    queue.append(UnsafeBufferPointer(start: nil, count: 0))
    #expect(queue.allocated == 0)
  }

  @Test func `What was written into reserved room is in the queue once it is said to be`() {
    var queue = ByteQueue()
    let room = queue.reserve(10)
    #expect(room.count >= 10)
    room[0] = 0x61
    room[1] = 0x62
    #expect(queue.isEmpty == true)
    queue.produced(2)
    #expect(text(queue) == "ab")
  }

  @Test func `A queue that is emptied again and again stays at its first 4 KiB`() {
    var queue = ByteQueue()
    for round in 0..<1_000 {
      queue.append(run(3_000, from: round))
      queue.consume(3_000)
    }
    #expect(queue.isEmpty == true)
    #expect(queue.allocated == 4_096)
  }

  @Test(arguments: [(3_000, 2_900, 3_900), (4_000, 1_000, 1_090), (4_096, 1, 1), (4_096, 2_048, 2_048)])
  func `Room in front is used before more memory is taken`(filled: Int, consumed: Int, wanted: Int) {
    var queue = ByteQueue()
    queue.append(run(filled))
    queue.consume(consumed)
    let room = queue.reserve(wanted)
    #expect(room.count >= wanted)
    #expect(queue.allocated == 4_096)
    #expect(Array(queue.readable) == run(filled - consumed, from: consumed))
  }

  @Test(arguments: [(0, 1, 4_096), (0, 4_097, 8_192), (4_000, 200, 8_192), (4_096, 100_000, 131_072)])
  func `Memory grows to the next power of two and keeps what it holds`(held: Int, wanted: Int, allocated: Int) {
    var queue = ByteQueue()
    queue.append(run(held))
    #expect(queue.reserve(wanted).count >= wanted)
    #expect(queue.allocated == allocated)
    #expect(Array(queue.readable) == run(held))
  }

  @Test func `One byte at a time passes every boundary`() {
    var queue = ByteQueue()
    for index in 0..<10_000 { queue.append(UInt8(truncatingIfNeeded: index)) }
    #expect(queue.allocated == 16_384)
    #expect(Array(queue.readable) == run(10_000))
  }

  @Test(arguments: [0, 9, 10, 99, 100, 65_535, 4_294_967_296, 9_999_999_999_999_999_999, UInt64.max])
  func `Numbers are written in decimal`(value: UInt64) {
    var queue = ByteQueue()
    queue.append(decimal: value)
    #expect(text(queue) == String(value))
  }

  @Test(arguments: [0, 1, 15, 16, 255, 256, 0xabc, 0xdead_beef, 1 << 60, UInt64.max])
  func `Numbers are written in lower-case hexadecimal`(value: UInt64) {
    var queue = ByteQueue()
    queue.append(hexadecimal: value)
    #expect(text(queue) == String(value, radix: 16))
  }

  @Test func `A number at the very end of the memory has room made for it`() {
    var queue = ByteQueue()
    queue.append(run(4_096))
    queue.append(decimal: .max)
    queue.append(hexadecimal: .max)
    #expect(queue.count == 4_096 + 20 + 16)
  }

  @Test func `Emptying keeps the memory and releasing gives it back`() {
    var queue = ByteQueue()
    queue.append("abc")
    queue.removeAll()
    #expect(queue.isEmpty == true)
    #expect(queue.allocated == 4_096)
    queue.append("d")
    queue.release()
    #expect(queue.isEmpty == true)
    #expect(queue.allocated == 0)
    queue.append("e")
    #expect(text(queue) == "e")
  }

  @Test func `Consuming more than there is stops the program`() async {
    await #expect(processExitsWith: .failure) {
      var queue = ByteQueue()
      queue.append("ab")
      queue.consume(3)
    }
  }

  @Test func `Claiming to have written past the room stops the program`() async {
    await #expect(processExitsWith: .failure) {
      var queue = ByteQueue()
      let room = queue.reserve(1)
      queue.produced(room.count + 1)
    }
  }

  @Test(arguments: 0..<16 as Range<UInt64>)
  func `Any sequence of operations leaves what an array would hold`(seed: UInt64) {
    var generator = SplitMix(seed: seed)
    var queue = ByteQueue()
    var model: [UInt8] = []
    for _ in 0..<3_000 {
      switch Int.random(in: 0..<10, using: &generator) {
      case 0...2:
        let bytes = run(Int.random(in: 0...1_500, using: &generator), from: Int.random(in: 0...255, using: &generator))
        queue.append(bytes)
        model += bytes
      case 3:
        let byte = UInt8.random(in: 0...255, using: &generator)
        queue.append(byte)
        model.append(byte)
      case 4:
        let value = UInt64.random(in: 0...UInt64.max, using: &generator) >> UInt64.random(in: 0...63, using: &generator)
        queue.append(decimal: value)
        model += Array(String(value).utf8)
      case 5:
        let room = queue.reserve(Int.random(in: 1...9_000, using: &generator))
        let count = Int.random(in: 0...min(room.count, 200), using: &generator)
        for index in 0..<count { room[index] = UInt8(truncatingIfNeeded: index) }
        queue.produced(count)
        model += run(count)
      case 6 where Int.random(in: 0..<40, using: &generator) == 0:
        queue.release()
        model = []
      default:
        let count = Int.random(in: 0...min(model.count, 3_000), using: &generator)
        queue.consume(count)
        model.removeFirst(count)
      }
      guard queue.count == model.count, queue.readable.elementsEqual(model) else {
        Issue.record("the queue and the model differ (seed \(seed))")
        return
      }
    }
  }

  @Test func `Text is lowered whatever its length, and nothing but letters`() {
    let all = (0...255).map { UInt8($0) }
    for count in 0...40 {
      for start in stride(from: 0, to: 256 - count, by: 7) {
        let text = Array(all[start..<start + count])
        var queue = ByteQueue()
        queue.append("X")
        text.withUnsafeBufferPointer { queue.append(lowering: $0) }
        #expect(Array(queue.readable) == [0x58] + text.map { (0x41...0x5a).contains($0) ? $0 + 0x20 : $0 })
      }
    }
  }

  @Test func `Two pieces stand one behind the other, and room is what is left`() {
    var queue = ByteQueue()
    #expect(queue.room == 0)
    let pieces: [([UInt8], [UInt8])] = [([1, 2], [3]), ([], [4]), ([5], []), ([], [])]
    for (first, second) in pieces {
      first.withUnsafeBufferPointer { first in second.withUnsafeBufferPointer { queue.append(first, $0) } }
    }
    #expect(Array(queue.readable) == [1, 2, 3, 4, 5])
    #expect(queue.room == queue.allocated - 5)
    let long = [UInt8](repeating: 9, count: 5_000)
    long.withUnsafeBufferPointer { queue.append($0, $0) }
    #expect(Array(queue.readable) == [1, 2, 3, 4, 5] + long + long)
  }
}

/// What `queue` holds, as text.
func text(_ queue: borrowing ByteQueue) -> String { String(decoding: queue.readable, as: UTF8.self) }

/// A generator that gives the same numbers in every run.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
