import CLinux

/// A listening socket. Accepts until there is nothing to accept, and survives a shortage of descriptors.
open class Listener: Channel {
  /// How long accepting rests when descriptors run out, in milliseconds. Existing connections go on meanwhile.
  private static let pause = 100
  /// Connections taken in one turn, so that a storm of them does not starve those that are open.
  private static let batch = 64
  /// A turn with no more events than this is soon over, and whoever else has come is announced again then. Asking the kernel for
  /// a connection that has not come costs it nearly as much as giving one.
  private static let quiet = 4
  private var isPaused = false

  /// Opens, binds and listens. One socket a worker: `SO_REUSEPORT` lets the kernel spread connections over them.
  ///
  /// A unix-domain path is removed first when it is a socket nobody answers on.
  package static func open(_ address: SocketAddress, backlog: Int32 = 4096, reusePort: Bool) throws(Errno) -> Int32 {
    var descriptor = FileDescriptor(owning: try bound(address, reusePort: reusePort))
    do {
      let raw = descriptor.raw
      _ = try Syscall.require { Int(listen(raw, backlog)) }
    } catch {
      descriptor.close()
      throw error
    }
    return descriptor.take()
  }

  /// Opens and binds. Nobody can connect yet: what only asks whether an address is free must not take a connection that it would
  /// drop.
  package static func bound(_ address: SocketAddress, reusePort: Bool) throws(Errno) -> Int32 {
    var descriptor = FileDescriptor(owning: Int32(try Syscall.require { Int(socket(address.family, gh_SOCK_STREAM, 0)) }))
    do {
      if address.family == AF_UNIX {
        removeStaleSocket(address)
      } else {
        try Syscall.setOption(descriptor.raw, SOL_SOCKET, SO_REUSEADDR, 1)
        if reusePort { try Syscall.setOption(descriptor.raw, SOL_SOCKET, SO_REUSEPORT, 1) }
        if address.family == AF_INET6 { try Syscall.setOption(descriptor.raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        // Inherited by what is accepted: one call here instead of one a connection.
        try Syscall.setOption(descriptor.raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
      }
      let raw = descriptor.raw
      _ = try Syscall.require { address.withPointer { Int(bind(raw, $0, $1)) } }
    } catch {
      descriptor.close()
      throw error
    }
    return descriptor.take()
  }

  private static func removeStaleSocket(_ address: SocketAddress) {
    let path = String(address.description.dropFirst("unix:".count))
    var status = stat()
    // A file that is no socket refuses connections as well, and is not ours to remove.
    guard lstat(path, &status) == 0, status.st_mode & mode_t(S_IFMT) == mode_t(S_IFSOCK) else { return }
    let probe = socket(AF_UNIX, gh_SOCK_STREAM, 0)
    guard probe >= 0 else { return }
    defer { _ = CLinux.close(probe) }
    let refused = address.withPointer { connect(probe, $0, $1) != 0 && gh_errno() == ECONNREFUSED }
    if refused { _ = unlink(path) }
  }

  /// A connection has arrived; the receiver owns `descriptor`, which is non-blocking.
  open func accepted(_ descriptor: Int32, from peer: PeerAddress) { _ = CLinux.close(descriptor) }

  /// Descriptors ran out: told each time that somebody waits and cannot be taken. `isNew` once per shortage.
  open func exhausted(_ error: Errno, isNew: Bool) {}

  open override func ready(_ readiness: Readiness) {
    var taken = 0
    let most = loop.eventCount > Self.quiet ? Self.batch : 1
    while taken < most, isOpen {
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let listening = descriptor.raw
      let result = Syscall.run {
        withUnsafeMutablePointer(to: &storage) { pointer in
          pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Int(accept4(listening, $0, &length, gh_SOCK_ACCEPT)) }
        }
      }
      switch result {
      case .done(let accepted):
        isPaused = false
        self.accepted(Int32(accepted), from: SocketAddress(storage: storage, length: length).peer)
      case .wouldBlock:
        return
      case .failed(let error) where error.isExhaustion:
        // Level-triggered, the listener would be ready for ever: rest, then look again.
        exhausted(error, isNew: !isPaused)
        isPaused = true
        want([])
        setDeadline(Self.pause)
        return
      case .failed:
        // The client gave up between arriving and being accepted (ECONNABORTED and its like): the next one.
        break
      }
      taken &+= 1
    }
  }

  open override func deadlineReached() {
    want(.read)
  }
}
