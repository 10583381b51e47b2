import CCares
import CLinux

/// Which kinds of addresses this host has itself, besides those of its loopback: others need not be asked for, since nobody there
/// could be reached. It is what getaddrinfo's AI_ADDRCONFIG means.
enum AddressFamilies {
  /// AF_UNSPEC when it has both, or neither.
  static var wanted: Int32 {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&list) == 0 else { return AF_UNSPEC }
    // Ours until it is freed, which is after the last look at it.
    defer { unsafe freeifaddrs(list) }
    var (hasV4, hasV6) = (false, false)
    var next = unsafe list
    while let entry = unsafe next {
      if let address = unsafe entry.pointee.ifa_addr {
        switch unsafe Int32(address.pointee.sa_family) {
        case AF_INET:
          let bytes = unsafe UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr
          if UInt32(bigEndian: bytes) != 0x7f00_0001 { hasV4 = true }
        case AF_INET6:
          var v6 = unsafe UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self).sin6_addr
          let isLoopback = unsafe withUnsafeBytes(of: &v6) { bytes in
            unsafe bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
          }
          if !isLoopback { hasV6 = true }
        default: break
        }
      }
      unsafe next = unsafe entry.pointee.ifa_next
    }
    return hasV4 == hasV6 ? AF_UNSPEC : hasV4 ? AF_INET : AF_INET6
  }
}
