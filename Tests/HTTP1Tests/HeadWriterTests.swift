import Bytes
import Testing

@testable import HTTP1

@Suite("Writing heads")
struct HeadWriterTests {
  @Test(
    "status lines have the registered phrase",
    arguments: [
      (200, "HTTP/1.1 200 OK\r\n"), (431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"), (299, "HTTP/1.1 299 \r\n"),
    ])
  func statusLines(status: UInt16, expected: String) {
    var queue = ByteQueue()
    HeadWriter.statusLine(status, into: &queue)
    #expect(String(decoding: queue.readable, as: UTF8.self) == expected)
  }

  @Test("every status line that is written is one that is read", arguments: Array(UInt16(100)...599))
  func readBack(status: UInt16) {
    var queue = ByteQueue()
    HeadWriter.statusLine(status, into: &queue)
    HeadWriter.field("Content-Length", decimal: 7, into: &queue)
    HeadWriter.end(into: &queue)
    let head = Wire.response(Array(queue.readable)).value
    #expect(head?.status == Int(status))
    #expect(head?.reason == String(decoding: [UInt8](StatusLine.reason(status)), as: UTF8.self))
  }
}
