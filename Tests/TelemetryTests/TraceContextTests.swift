import Testing

@testable import Telemetry

struct TraceContextTests {
  private static let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

  private func parse(_ text: String) -> TraceContext? {
    TraceContext(parsing: Array(text.utf8).span)
  }

  private func text(_ context: TraceContext) -> String {
    var bytes = [UInt8](repeating: 0, count: TraceContext.length)
    var span = bytes.mutableSpan
    context.write(to: &span)
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func `A valid traceparent is read and written back`() throws {
    let context = try #require(parse(Self.valid))
    #expect(context.isSampled)
    #expect(text(context) == Self.valid)
  }

  @Test(arguments: [
    ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", false),
    ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", true),
    ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe", false),
    ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
    ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-holds", true),
    ("00-00000000000000000000000000000001-0000000000000001-01", true),
    ("00-10000000000000000000000000000000-1000000000000000-01", true),
  ])
  func `Flags and later versions are read as far as they are known`(header: String, sampled: Bool) throws {
    let context = try #require(parse(header))
    #expect(context.isSampled == sampled)
    // What goes on is version 00 and the one flag.
    #expect(text(context) == "00" + header.dropFirst(2).prefix(51) + (sampled ? "01" : "00"))
  }

  @Test(arguments: [
    "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", valid + "-", valid + "0", valid + "-00", " " + valid,
    "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-B7ad6b7169203331-01",
    "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x", "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
    "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x", "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-011",
    "00-0af7651916cd43dd8448eb211c80319\u{e9}-b7ad6b7169203331-0",
  ])
  func `What is no traceparent is not read`(header: String) {
    #expect(parse(header) == nil)
  }

  @Test func `A trace goes on under a span of our own`() throws {
    var random = RandomGenerator(seed: (1, 2, 3, 4))
    let context = TraceContext(continuing: Array(Self.valid.utf8).span, random: &random)
    #expect(context.isContinued)
    #expect(text(context).hasPrefix("00-0af7651916cd43dd8448eb211c80319c-"))
    #expect(!text(context).contains("b7ad6b7169203331"))
    #expect(parse(text(context)) == TraceContext(parsing: context))
  }

  @Test func `Without a valid traceparent a trace begins`() {
    var random = RandomGenerator()
    for header in [nil, "", "00-bad"] as [String?] {
      let context: TraceContext
      if let header {
        context = TraceContext(continuing: Array(header.utf8).span, random: &random)
      } else {
        context = TraceContext(continuing: nil, random: &random)
      }
      #expect(!context.isContinued)
      #expect(context.isSampled)
      #expect(parse(text(context)) != nil)
    }
    let traces = (0..<1000).map { _ in text(TraceContext(continuing: nil, random: &random)) }
    #expect(Set(traces).count == 1000)
  }
}

extension TraceContext {
  /// What a reader of `context`'s text has.
  fileprivate init?(parsing context: TraceContext) {
    var bytes = [UInt8](repeating: 0, count: TraceContext.length)
    var span = bytes.mutableSpan
    context.write(to: &span)
    guard let parsed = TraceContext(parsing: bytes.span) else { return nil }
    self = parsed
  }
}
