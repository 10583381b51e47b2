import CLinux
import Glibc
import Reactor
import TLS
import Transport

/// A backend: a socket that listens, and what it does with who comes.
final class BackendSide {
  enum Mode: Int {
    case takes, answers, staysSilent, ignores, hangsUp, garbles, takesNoTunnels
  }

  var mode = Mode.takes
  private(set) var peers: [BackendPeer] = []
  private let index: Int
  private let stage: Stage
  private let ledger: Ledger

  init(_ index: Int, _ stage: Stage, _ ledger: Ledger) {
    self.index = index
    self.stage = stage
    self.ledger = ledger
  }

  /// Nil when nobody is connected.
  func peer(_ number: Int) -> BackendPeer? {
    let open = peers.filter(\.isOpen)
    return open.isEmpty ? nil : open[number % open.count]
  }

  func pump() -> Bool {
    var moved = mode != .ignores && somebodyComes && accept()
    for peer in peers where peer.pump() { moved = true }
    peers.removeAll { !$0.isOpen }
    return moved
  }

  /// Asking for a connection that has not come costs as much as one.
  private var somebodyComes: Bool {
    var entry = pollfd(fd: stage.sockets[index], events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
  }

  private func accept() -> Bool {
    var moved = false
    while peers.count < 64 {
      let descriptor = accept4(stage.sockets[index], nil, nil, gh_SOCK_ACCEPT)
      guard descriptor >= 0 else { return moved }
      moved = true
      // Nothing is left behind by connections over TCP: there would soon be too many of them.
      var linger = linger(l_onoff: 1, l_linger: 0)
      setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<CLinux.linger>.size))
      let wire = Wire(TLSConnection(accepting: stage.backendTLS[index], fd: descriptor), descriptor: descriptor)
      let peer = BackendPeer(
        descriptor: descriptor, wire: wire, backend: index, ledger: ledger, answersAlone: mode == .answers || mode == .takesNoTunnels,
        takesTunnels: mode != .takesNoTunnels)
      peers.append(peer)
      switch mode {
      case .staysSilent: peer.shakesHands = false
      case .hangsUp: peer.end(.abrupt)
      case .garbles: peer.garble()
      default: break
      }
    }
    return moved
  }

  /// Ends everything, those included that nobody has accepted.
  func end() {
    for peer in peers { peer.end(.abrupt) }
    peers = []
    while true {
      let descriptor = accept4(stage.sockets[index], nil, nil, gh_SOCK_ACCEPT)
      guard descriptor >= 0 else { return }
      _ = close(descriptor)
    }
  }
}
