import CLinux
import Glibc

/// Two connected non-blocking sockets of this process.
final class SocketPair {
  private(set) var descriptors: [Int32] = [-1, -1]

  init() {
    _ = ignoreSIGPIPE
    precondition(socketpair(AF_UNIX, gh_SOCK_STREAM, 0, &descriptors) == 0)
  }

  deinit {
    close(0)
    close(1)
  }

  func close(_ end: Int) {
    if descriptors[end] >= 0 { Glibc.close(descriptors[end]) }
    descriptors[end] = -1
  }

  /// Writes raw bytes past whatever TLS runs on the socket.
  @discardableResult
  func write(_ end: Int, _ bytes: [UInt8]) -> Int { Glibc.write(descriptors[end], bytes, bytes.count) }

  /// Takes what is there, raw.
  func read(_ end: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = Glibc.read(descriptors[end], &bytes, bytes.count)
    return Array(bytes[0..<max(0, count)])
  }
}
