import CLinux
import Reactor
import Transport

/// The word of a trusted balancer, before anything of the client's is read.
extension DownstreamConnection {
  /// Takes what has come of the header out of the socket, and not one byte more: what follows is TLS's or the parser's.
  func readProxyHeader() {
    while isOpen, state == .proxyHeader {
      let more = withUnsafeTemporaryAllocation(byteCount: ProxyProtocolHeader.longest, alignment: 1) { room -> Bool in
        guard let start = room.baseAddress else { return false }
        let socket = descriptor.raw
        switch Syscall.run({ recv(socket, start, room.count, Int32(MSG_PEEK)) }) {
        case .done(0), .failed:
          close()
          return false
        case .wouldBlock: return false
        case .done(let count): return advance(UnsafeRawBufferPointer(start: start, count: count), start)
        }
      }
      if !more { return }
    }
  }

  /// False when there is nothing more to do now.
  private func advance(_ bytes: UnsafeRawBufferPointer, _ scratch: UnsafeMutableRawPointer) -> Bool {
    let step = bytes.withMemoryRebound(to: UInt8.self) { proxyHeader.read($0) }
    switch step {
    case .more(let count): return take(count, scratch)
    case .refused:
      countRefused(.proxyProtocol)
      close()
      return false
    case .done(let count, let address):
      guard take(count, scratch) else { return false }
      guard introduce(address) else {
        countRefused(.connectionsPerClient)
        close()
        return false
      }
      if let address { know(address) }
      state = .handshaking
      lookAtFirstByte()
      continueHandshake()
      return false
    }
  }

  /// Takes bytes that have been looked at.
  private func take(_ count: Int, _ scratch: UnsafeMutableRawPointer) -> Bool {
    let socket = descriptor.raw
    if count > 0, case .done(count) = Syscall.run({ recv(socket, scratch, count, 0) }) { return true }
    if count > 0 { close() }
    return false
  }
}
