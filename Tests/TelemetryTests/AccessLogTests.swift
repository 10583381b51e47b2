import Bytes
import Foundation
import Testing

@testable import Telemetry

struct AccessLogTests {
  private func text(_ line: borrowing AccessLogLine) -> String {
    var log = AccessLog()
    var queue = ByteQueue()
    log.append(line, to: &queue)
    return String(decoding: queue.span)
  }

  private func line(path: [UInt8]) -> String {
    var line = AccessLogLine()
    line.path = path.span
    return text(line)
  }

  private func object(_ line: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
  }

  @Test func `A line has every field of the contract, in its order`() throws {
    let id = Array("id".utf8)
    let trace = Array("trace".utf8)
    let client = Array("192.0.2.1".utf8)
    let clientIdentity = Array("spiffe://c".utf8)
    let method = Array("GET".utf8)
    let host = Array("api.example.com".utf8)
    let path = Array("/orders".utf8)
    let route = Array("orders".utf8)
    let code = Array("token_expired".utf8)
    let issuer = Array("https://idp".utf8)
    let subject = Array("alice".utf8)
    let backend = Array("orders".utf8)
    let endpoint = Array("10.0.0.1:9443".utf8)
    let upstreamIdentity = Array("spiffe://mesh/orders".utf8)
    var line = AccessLogLine()
    line.time = 1_763_852_284_123
    line.requestID = id.span
    line.traceID = trace.span
    line.clientIP = client.span
    line.clientIdentity = clientIdentity.span
    line.httpProtocol = "HTTP/1.1"
    line.tls = "TLSv1.3"
    line.method = method.span
    line.host = host.span
    line.path = path.span
    line.route = route.span
    line.status = 401
    line.code = code.span
    line.issuer = issuer.span
    line.subject = subject.span
    line.backend = backend.span
    line.endpoint = endpoint.span
    line.upstreamIdentity = upstreamIdentity.span
    line.token = .cached
    line.bytesIn = 12
    line.bytesOut = UInt64.max
    line.duration = 1_234_567_890
    line.upstreamDuration = 45_999
    line.upstreamWait = 40_000
    let text = text(line)
    #expect(
      text == """
        {"time":"2025-11-22T22:58:04.123Z","request_id":"id","trace_id":"trace","client_ip":"192.0.2.1",\
        "client_identity":"spiffe://c","protocol":"HTTP/1.1","tls":"TLSv1.3","method":"GET","host":"api.example.com",\
        "path":"/orders","route":"orders","status":401,"code":"token_expired","issuer":"https://idp","sub":"alice",\
        "backend":"orders","endpoint":"10.0.0.1:9443","upstream_identity":"spiffe://mesh/orders","token":"cached",\
        "bytes_in":12,"bytes_out":18446744073709551615,"duration_ms":1234.567,"upstream_ms":0.045,"upstream_wait_ms":0.040}

        """)
    #expect(try object(text).count == 24)
  }

  @Test func `What is not known is null`() throws {
    let object = try object(text(AccessLogLine()))
    #expect(object.count == 24)
    for name in ["request_id", "client_identity", "protocol", "tls", "path", "route", "status", "code", "upstream_ms", "upstream_wait_ms"] {
      #expect(object[name] is NSNull, "\(name)")
    }
    #expect(object["token"] as? String == "none")
    #expect(object["duration_ms"] as? Double == 0)
  }

  @Test(arguments: [
    ("a\"b\\c", #"a\"b\\c"#), ("a\nb\r\tc", #"a\nb\r\tc"#), ("\0\u{1}\u{1f}\u{7f}", #"\u0000\u0001\u001f\u007f"#),
    ("\u{85}\u{9b}", #"\u0085\u009b"#), ("\u{2028}\u{2029}\u{202e}\u{2066}", #"\u2028\u2029\u202e\u2066"#),
    ("\u{feff}\u{200f}", #"\ufeff\u200f"#), ("zażółć 東京 🦊", "zażółć 東京 🦊"),
    ("/a/b?c", "/a/b?c"), ("</script>", "</script>"),
  ])
  func `What came from outside is escaped`(text: String, expected: String) throws {
    let result = line(path: Array(text.utf8))
    #expect(result.contains(#""path":""# + expected + "\","))
    #expect(try object(result)["path"] as? String == text)
  }

  @Test(arguments: [
    ([0xff], 1), ([0xc0, 0xaf], 2), ([0xed, 0xa0, 0x80], 3), ([0xf5, 0x80, 0x80, 0x80], 4), ([0xe2, 0x28, 0xa1], 2),
    ([0xe0, 0x80, 0x80], 3), ([0xf0, 0x80, 0x80, 0x80], 4), ([0xf4, 0x90, 0x80, 0x80], 4), ([0xc3], 1), ([0xe2, 0x82], 2),
    ([0x80], 1), ([0xf0, 0x9f, 0xa6], 3),
  ] as [([UInt8], Int)])
  func `Bytes that are not UTF-8 are replaced one by one`(bytes: [UInt8], replaced: Int) throws {
    let result = line(path: [0x61] + bytes + [0x62])
    #expect(result.components(separatedBy: #"\ufffd"#).count - 1 == replaced)
    #expect(try object(result)["path"] != nil)
  }

  @Test func `Whatever the bytes, one request is one line of JSON`() throws {
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 0...40)).map { _ in UInt8.random(in: 0...255) }
      let result = line(path: bytes)
      #expect(result.utf8.filter { $0 < 0x20 }.count == 1)
      #expect(result.hasSuffix("}\n"))
      _ = try object(result)
    }
  }

  @Test func `Lines follow one another in the queue`() throws {
    var log = AccessLog()
    var queue = ByteQueue()
    for status in [200, 404, 503] as [UInt16] {
      var line = AccessLogLine()
      line.status = status
      log.append(line, to: &queue)
    }
    let lines = String(decoding: queue.readable, as: UTF8.self).split(separator: "\n")
    #expect(try lines.map { try object(String($0))["status"] as? Int } == [200, 404, 503])
  }

  @Test(arguments: [
    (0, "1970-01-01T00:00:00.000Z"), (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
    (951_782_399_999, "2000-02-28T23:59:59.999Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
    (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
    (253_402_300_799_999, "9999-12-31T23:59:59.999Z"), (Int64.max, "9999-12-31T23:59:59.999Z"),
    (Int64.min, "0000-01-01T00:00:00.000Z"),
  ] as [(Int64, String)])
  func `Times are written as RFC 3339`(milliseconds: Int64, expected: String) {
    var timestamp = Timestamp()
    #expect(text(&timestamp, milliseconds) == expected)
  }

  @Test func `Times agree with Foundation's, whatever was written before`() {
    var timestamp = Timestamp()
    let formatter = ISO8601DateFormatter()
    for _ in 0..<2000 {
      let second = Int64.random(in: 0...4_102_444_800)
      let fraction = Int64.random(in: 0...999)
      let expected = formatter.string(from: Date(timeIntervalSince1970: Double(second))).dropLast()
      let digits = String(1000 + fraction).dropFirst()
      #expect(text(&timestamp, second * 1000 + fraction) == "\(expected).\(digits)Z")
    }
  }

  private func text(_ timestamp: inout Timestamp, _ milliseconds: Int64) -> String {
    String(decoding: timestamp.write(milliseconds: milliseconds).span)
  }
}
