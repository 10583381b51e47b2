import CLinux
import Glibc

/// A TCP socket that accepts connections, one blocking call at a time.
final class ListeningSocket: Sendable {
  private let descriptor: Int32
  /// The port it listens on: the one asked for, or the kernel's choice when 0 was.
  let port: UInt16

  /// - Throws: `DevelopmentError` when the name does not resolve or the port is taken.
  init(host: String, port: UInt16) throws {
    var hints = addrinfo()
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let answer = getaddrinfo(host, String(port), &hints, &list)
    guard answer == 0, let address = list else {
      throw DevelopmentError("cannot listen on \(host): \(String(cString: gai_strerror(answer)))")
    }
    defer { freeaddrinfo(list) }
    let descriptor = socket(address.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw DevelopmentError("no socket: \(String(cString: strerror(errno)))") }
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    guard bind(descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0, listen(descriptor, 128) == 0 else {
      let reason = errno
      close(descriptor)
      throw DevelopmentError("cannot listen on \(host):\(port): \(String(cString: strerror(reason)))")
    }
    var bound = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let named = withUnsafeMutablePointer(to: &bound) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard named == 0 else {
      let reason = errno
      close(descriptor)
      throw DevelopmentError("cannot listen on \(host):\(port): \(String(cString: strerror(reason)))")
    }
    // `sin_port` and `sin6_port` stand in the same place.
    self.port = withUnsafeBytes(of: &bound) { UInt16($0[2]) << 8 | UInt16($0[3]) }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// The next connection, which sends without delay and gives up on a peer that is silent for two minutes; nil after `stop`.
  func accept() -> Int32? {
    while true {
      let accepted = accept4(descriptor, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
      if accepted >= 0 {
        var on: Int32 = 1
        setsockopt(accepted, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        var patience = timeval(tv_sec: 120, tv_usec: 0)
        setsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(accepted, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        return accepted
      }
      switch errno {
      case EINTR, ECONNABORTED: continue
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: usleep(10_000)
      default: return nil
      }
    }
  }

  /// Makes `accept`, also one that is waiting in another thread, return nil.
  func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
