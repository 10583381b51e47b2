import Glibc
import Testing

@testable import HTTP

@Suite("The text of IP addresses")
struct IPAddressTextTests {
  private func expected(_ text: String, _ family: Int32, _ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    return inet_pton(family, text, &bytes) == 1 ? bytes : nil
  }

  @Test(
    "addresses are read as the system reads them",
    arguments: [
      "", "::", "::1", "1::", "1::8", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7::8",
      "2001:db8::ff00:42:8329",
      "::ffff:192.0.2.1", "64:ff9b::192.0.2.33", "1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:7:192.0.2.1", "::192.0.2", "fe80::1%eth0",
      ":1", "1:", ":::", "1::2::3", "12345::", "g::", "ABCD:ef::", "192.0.2.1", "0.0.0.0", "255.255.255.255", "256.0.0.1",
      "01.2.3.4",
      "1.2.3", "1.2.3.4.5", "1..2.3", "1.2.3.4 ", " 1.2.3.4", "1.2.3.", "0x1.2.3.4",
    ])
  func system(text: String) {
    let bytes = Array(text.utf8)
    #expect(read4(bytes) == expected(text, AF_INET, 4), "\(text)")
    #expect(read6(bytes) == expected(text, AF_INET6, 16), "\(text)")
  }

  @Test("whatever the text, it is read as the system reads it or not at all")
  func random() {
    var generator = SplitMix(state: 5)
    var count = 0
    for _ in 0..<50_000 {
      let bytes = (0..<Int.random(in: 1...16, using: &generator)).map { _ in
        "0123456789abF:::..".utf8.randomElement(using: &generator)!
      }
      let text = String(decoding: bytes, as: UTF8.self)
      #expect(read4(bytes) == expected(text, AF_INET, 4), "\(text)")
      #expect(read6(bytes) == expected(text, AF_INET6, 16), "\(text)")
      if read6(bytes) != nil { count += 1 }
    }
    #expect(count > 100)
  }

  private func read4(_ bytes: [UInt8]) -> [UInt8]? { IPAddressText.octets4(bytes.span) }
  private func read6(_ bytes: [UInt8]) -> [UInt8]? { IPAddressText.octets6(bytes.span) }
}
