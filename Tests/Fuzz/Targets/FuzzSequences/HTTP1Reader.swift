/// HTTP/1.1 read as plainly as it can be, message by message. It shares nothing with the gateway's parsers, and whatever the gateway
/// writes has to be readable for it.
struct HTTP1Reader {
  enum Framing {
    case none
    case length(Int)
    case chunked
    case untilEnd
    /// The rest is no HTTP.
    case tunnel
  }

  struct Head {
    var start: String
    var fields: [(name: String, value: String)]

    /// The value of the only field of that name.
    subscript(name: String) -> String? {
      let found = fields.filter { $0.name == name }
      if found.count > 1 { violation("\(name) stands twice in \(self)") }
      return found.first?.value
    }
  }

  private enum State {
    case head
    case length(Int)
    case chunkSize
    case chunk(Int)
    case chunkEnd
    case trailers
    case untilEnd
    case tunnel
  }

  private var bytes: [UInt8] = []
  private var state = State.head

  /// Nothing of a message has come that is not whole.
  var isBetween: Bool { if case .head = state { bytes.isEmpty } else { false } }
  var isTunnel: Bool { if case .tunnel = state { true } else { false } }

  enum Step {
    case head(Head)
    case content(ArraySlice<UInt8>)
    case end
  }

  mutating func add(_ more: [UInt8]) { bytes += more }

  /// Behind a head: how its content is framed. `end` follows where there is none.
  mutating func frame(_ framing: Framing) {
    switch framing {
    case .none: state = .length(0)
    case .length(let count): state = .length(count)
    case .chunked: state = .chunkSize
    case .untilEnd: state = .untilEnd
    case .tunnel: state = .tunnel
    }
  }

  mutating func next() -> Step? {
    switch state {
    case .head:
      guard let text = take(through: "\r\n\r\n") else { return nil }
      return .head(Self.parse(text))
    case .length(0):
      state = .head
      return .end
    case .length(let count):
      guard let run = take(atMost: count) else { return nil }
      state = .length(count - run.count)
      return .content(run)
    case .chunkSize:
      guard let line = take(through: "\r\n") else { return nil }
      guard let size = Int(String(decoding: line, as: UTF8.self), radix: 16) else { violation("no chunk size: \(line)") }
      state = size == 0 ? .trailers : .chunk(size)
      return next()
    case .chunk(0):
      state = .chunkEnd
      return next()
    case .chunk(let count):
      guard let run = take(atMost: count) else { return nil }
      state = .chunk(count - run.count)
      return .content(run)
    case .chunkEnd:
      guard let line = take(through: "\r\n") else { return nil }
      guard line.isEmpty else { violation("a chunk is longer than it says") }
      state = .chunkSize
      return next()
    case .trailers:
      guard let line = take(through: "\r\n") else { return nil }
      if !line.isEmpty { return next() }
      state = .head
      return .end
    case .untilEnd, .tunnel:
      guard let run = take(atMost: bytes.count) else { return nil }
      return .content(run)
    }
  }

  private mutating func take(atMost count: Int) -> ArraySlice<UInt8>? {
    guard !bytes.isEmpty, count > 0 else { return nil }
    let run = bytes.prefix(count)
    bytes.removeFirst(run.count)
    return run
  }

  private mutating func take(through mark: StaticString) -> [UInt8]? {
    let mark = Array(UnsafeBufferPointer(start: mark.utf8Start, count: mark.utf8CodeUnitCount))
    guard bytes.count >= mark.count else { return nil }
    for index in 0...(bytes.count - mark.count) where bytes[index] == mark[0] {
      guard bytes[index..<(index + mark.count)].elementsEqual(mark) else { continue }
      let text = Array(bytes[..<index])
      bytes.removeFirst(index + mark.count)
      return text
    }
    return nil
  }

  private static func parse(_ text: [UInt8]) -> Head {
    var lines = String(decoding: text, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
    let start = lines.removeFirst()
    if start.isEmpty { violation("a head begins with an empty line") }
    return Head(
      start: start,
      fields: lines.map { line in
        guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else { violation("no field: \(line)") }
        let value = line[line.index(after: colon)...].drop { $0 == " " }
        return (line[..<colon].lowercased(), String(value))
      })
  }
}
