import Bytes
import HTTP
import HTTP1
import Proxy
import Testing

struct ResponseFieldsTests {
  /// 2025-11-23T00:00:00Z.
  private static let now: Int64 = 1_763_856_000
  private static let date = "Date: Sun, 23 Nov 2025 00:00:00 GMT"

  private func lines(
    _ response: String, _ framing: ResponseFields.Framing = .asGiven, _ persistence: ResponseFields.Persistence = .implied
  ) throws -> [String] {
    try TestHead.withResponse(response) { head, bytes in
      var out = ByteQueue()
      ResponseFields.write(head, bytes.buffer, framing: framing, persistence: persistence, now: Self.now, to: &out)
      out.append("\r\n")
      let text = String(decoding: out.readable, as: UTF8.self)
      #expect(text.hasSuffix("\r\n\r\n"))
      return text.split(separator: "\r\n").map(String.init)
    }
  }

  @Test func `Status and fields pass, in order, and a missing date is added`() throws {
    #expect(
      try lines("HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-A:b\r\nContent-Length: 2\r\n\r\n") == [
        "HTTP/1.1 200 OK", "Server: x", "Set-Cookie: a=1", "Set-Cookie: b=2", "X-A: b", "Content-Length: 2", Self.date,
      ])
  }

  @Test func `A backend's date is kept and not doubled`() throws {
    let sent = try lines("HTTP/1.1 404 Not Found\r\nDATE: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n")
    #expect(sent == ["HTTP/1.1 404 Not Found", "DATE: Mon, 01 Jan 2024 00:00:00 GMT", "Content-Length: 0"])
  }

  @Test func `A backend's reason phrase is not repeated`() throws {
    #expect(try lines("HTTP/1.1 200 Whatever it likes\r\nContent-Length: 0\r\n\r\n")[0] == "HTTP/1.1 200 OK")
    #expect(try lines("HTTP/1.1 599 Odd\r\nContent-Length: 0\r\n\r\n")[0] == "HTTP/1.1 599 ")
  }

  @Test func `Hop-by-hop fields and nominated ones end here`() throws {
    let sent = try lines(
      "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-A\r\nKeep-Alive: timeout=5\r\nX-A: 1\r\nx_a: 1\r\nX-B: 2\r\n"
        + "Trailer: X\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
    #expect(sent == ["HTTP/1.1 200 OK", "X-B: 2", "Content-Length: 0", Self.date])
  }

  @Test func `A response that is framed anew says so, and no other length`() throws {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    #expect(try lines(chunked, .chunked) == ["HTTP/1.1 200 OK", Self.date, "Transfer-Encoding: chunked"])
    #expect(try lines(chunked, .untilEnd, .close) == ["HTTP/1.1 200 OK", Self.date, "Connection: close"])
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    #expect(try lines(length, .chunked) == ["HTTP/1.1 200 OK", Self.date, "Transfer-Encoding: chunked"])
    #expect(
      try lines("HTTP/1.1 205 Reset Content\r\n\r\n", .empty) == ["HTTP/1.1 205 Reset Content", Self.date, "Content-Length: 0"])
  }

  @Test func `304 keeps the length a GET would have had, and 204 has none`() throws {
    #expect(try lines("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n").contains("Content-Length: 9"))
    #expect(try !lines("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n").contains("Content-Length: 9"))
  }

  @Test func `The connection's fate is the gateway's to say`() throws {
    let response = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    #expect(try !lines(response).contains { $0.hasPrefix("Connection") })
    #expect(try lines(response, .asGiven, .keepAlive).last == "Connection: keep-alive")
    #expect(try lines(response, .asGiven, .close).last == "Connection: close")
  }

  @Test func `An interim response passes without framing and without a date`() throws {
    let text = try TestHead.withResponse(
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-A\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n"
    ) {
      head, bytes in
      var out = ByteQueue()
      ResponseFields.writeInterim(head, bytes.buffer, to: &out)
      out.append("\r\n")
      return String(decoding: out.readable, as: UTF8.self)
    }
    #expect(text == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
  }
}
