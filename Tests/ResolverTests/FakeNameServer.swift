import CLinux
import Reactor

/// A name server on loopback, on the loop of whoever asks: says what it is told to.
final class FakeNameServer: Channel {
  enum Reply {
    case addresses([[UInt8]])
    case code(UInt8)
    case silence
    /// Sent as they are, behind the question's own identifier when `keepsIdentifier`.
    case bytes([UInt8], keepsIdentifier: Bool = true)
  }

  /// For a name, in lower case and without the last dot, and a type: 1 for IPv4, 28 for IPv6.
  var reply: (_ name: String, _ type: UInt8) -> Reply = { _, _ in .silence }
  private(set) var questions: [(name: String, type: UInt8)] = []
  private(set) var port: UInt16 = 0

  init(loop: EventLoop) throws {
    let descriptor = Int32(try Syscall.require { Int(socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue), 0)) })
    super.init(loop: loop, descriptor: descriptor)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(descriptor, $0, length)
        _ = getsockname(descriptor, $0, &length)
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    try register(.read)
  }

  var servers: [String] { ["127.0.0.1:\(port)"] }

  override func ready(_ readiness: Readiness) {
    var question = [UInt8](repeating: 0, count: 1024)
    while true {
      var client = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let count = withUnsafeMutablePointer(to: &client) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(descriptor.raw, &question, question.count, 0, $0, &length) }
      }
      guard count > 12 else { return }
      guard let answer = answer(Array(question.prefix(count))) else { continue }
      _ = withUnsafePointer(to: client) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(descriptor.raw, answer, answer.count, 0, $0, length) }
      }
    }
  }

  private func answer(_ question: [UInt8]) -> [UInt8]? {
    var labels: [String] = []
    var at = 12
    while at < question.count, question[at] > 0 {
      labels.append(String(decoding: question[(at + 1)...(at + Int(question[at]))], as: UTF8.self).lowercased())
      at += Int(question[at]) + 1
    }
    guard at + 5 <= question.count else { return nil }
    let (name, type) = (labels.joined(separator: "."), question[at + 2])
    questions.append((name, type))
    let asked = Array(question[12..<(at + 5)])
    func head(_ code: UInt8, _ count: Int) -> [UInt8] {
      [question[0], question[1], 0x81, 0x80 | code, 0, 1, UInt8(count >> 8), UInt8(count & 0xff), 0, 0, 0, 0] + asked
    }
    switch reply(name, type) {
    case .silence: return nil
    case .code(let code): return head(code, 0)
    case .bytes(let bytes, let keepsIdentifier): return keepsIdentifier ? question[0...1] + bytes : bytes
    case .addresses(let addresses):
      let fitting = addresses.filter { $0.count == (type == 1 ? 4 : 16) }
      return head(0, fitting.count) + fitting.flatMap { [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, UInt8($0.count)] + $0 }
    }
  }
}
