import CLinux
import Reactor
import TLS
import Telemetry
import Transport

/// A worker's share of a listener: accepts clients, within the limits, and starts their handshakes.
public final class DownstreamListener: Listener {
  private let worker: WorkerContext
  /// Replaced by a reload, for the connections that follow.
  package var context: ListenerContext
  package let seats: ConnectionSeats
  /// Said once a shortage of descriptors, to whoever logs.
  private let report: (String) -> Void

  /// - Parameter seats: of a listener of the same name that this one takes the place of.
  package init(
    worker: WorkerContext, descriptor: Int32, context: ListenerContext, seats: ConnectionSeats = ConnectionSeats(),
    report: @escaping (String) -> Void
  ) {
    self.worker = worker
    self.context = context
    self.seats = seats
    self.report = report
    super.init(loop: worker.loop, descriptor: descriptor)
  }

  public override func accepted(_ descriptor: Int32, from peer: PeerAddress) {
    // At the limit a connection is refused at once: a queue would only make everybody wait. Behind a balancer it is nobody's until that has
    // said whose it is: else many clients who come at once would be too many for the balancer.
    let client = context.isIntroduced(by: peer) ? nil : peer.client
    guard !worker.isDraining else { return refuse(descriptor, .draining) }
    let bounds = context.connections(of: worker.number)
    guard var seat = seats.take(for: client, bounds) else {
      return refuse(descriptor, seats.isFull(bounds) ? .connections : .connectionsPerClient)
    }
    worker.connectionOpened()
    let wire =
      switch context.security {
      case .tls(let tls): Wire(TLSConnection(accepting: tls, fd: descriptor), descriptor: descriptor)
      case .plaintext: Wire(plain: descriptor)
      }
    let connection = DownstreamConnection(
      worker: worker, context: context, seat: seat, descriptor: descriptor, peer: peer, wire: wire)
    do {
      try connection.register(.read)
    } catch {
      seat.leave()
      return worker.connectionClosed(isHTTP2: false)
    }
    connection.arm(context.handshakeTimeout)
  }

  private func refuse(_ descriptor: Int32, _ reason: WorkerCounts.ConnectionRefusal) {
    worker.metrics.countRefusedConnection(listener: context.metricID, reason)
    _ = CLinux.close(descriptor)
  }

  public override func exhausted(_ error: Errno, isNew: Bool) {
    worker.metrics.countRefusedConnection(listener: context.metricID, .descriptors)
    guard isNew else { return }
    report("listener \(context.name): cannot accept connections (\(error)); trying again every 100 ms")
  }
}
