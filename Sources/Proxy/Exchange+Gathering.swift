import Bytes
import HTTP
import Limits
import Reactor
import Upstream

/// Content that is kept until a backend's connection is worth taking: the buffers behind `ContentGathering`.
extension Exchange {
  /// The request may pass: whether its content is gathered first, or goes to the backend as it comes.
  func beginGathering(_ route: Route) -> Bool {
    guard state.request != .complete, route.bodyGather > 0, let snapshot else { return false }
    let request = ContentGathering.Request(
      hasContent: true, isTunnel: state.isTunnel, isStream: streamsBothWays(snapshot), expectsContinue: head.expectsContinue)
    guard gathering.begin(request, upTo: route.bodyGather) else { return false }
    origin = clientOrigin
    if worker.gatheredMemory.grants(BufferPool.blockSize, to: origin.address) { return true }
    // Its client's requests have filled the client's share, or very many clients all that there is. This one goes on as it comes: it
    // takes no memory beyond the connection's, and what it has of the backend counts in the client's share of that.
    gathering = ContentGathering()
    return false
  }

  /// A run of content, while it is gathered.
  func gather(_ content: UnsafeBufferPointer<UInt8>, _ route: Route) {
    if bytesIn > route.bodyMaximum { return interrupt(.bodyTooLarge) }
    gathered.borrow(from: worker.buffers)
    gathered.append(content)
    var step = gathering.took(content.count)
    let growth = gathered.allocated &- gatheredMemory
    if growth > 0 {
      if !worker.gatheredMemory.grants(growth, to: origin.address), step == .more { step = gathering.ended() }
      count(growth)
    }
    if step == .ask { gatheredEnough() }
  }

  func gatherTrailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
    gatheredTrailers.append((Array(name), Array(value)))
    count(name.count &+ value.count)
  }

  private func count(_ bytes: Int) {
    worker.gatheredMemory.take(bytes, for: origin.address)
    gatheredMemory &+= bytes
  }

  /// The content is complete or the bound is full: only now does the request take a connection.
  func gatheredEnough() {
    guard let route, let snapshot else { return }
    holdContent()
    // A reload in between may have taken away the backend, the route or the right: what is decided is decided by one snapshot, and a
    // connection is made by the trust in force.
    guard snapshot === worker.snapshot else { return reenter(mayWait: true) }
    // The internal token was made before the content came.
    if !route.access.providers.isEmpty, loop.nowNanoseconds &- startedAt > Self.freshness,
      let refusal = addInternalToken(route, snapshot, now: worker.seconds)
    {
      return interrupt(refusal)
    }
    startTimer()
    askForConnection()
  }

  /// Nanoseconds for which an internal token is as good as new.
  private static var freshness: UInt64 { 1_000_000_000 }

  /// Hands what was gathered to the backend, behind the head.
  func passOn(to leg: UpstreamLeg) {
    gathering.passedOn()
    // Taken out first: a write that fails ends the exchange, and what is being written stays where it is.
    var content = ByteQueue()
    swap(&content, &gathered)
    let trailers = gatheredTrailers
    if !content.isEmpty || !trailers.isEmpty { state.contentForwarded() }
    if !content.isEmpty {
      leg.content(content.readable, isChunked: isChunked)
      content.removeAll()
      content.giveBack(to: worker.buffers)
    }
    if leg.isSame(as: upstream) {
      for (name, value) in trailers {
        name.withUnsafeBufferPointer { name in
          value.withUnsafeBufferPointer { leg.trailer(name, $0, isChunked: isChunked, isFirst: !requestHasTrailers) }
        }
        requestHasTrailers = true
      }
    }
    releaseGathered()
  }

  /// Gives the memory back, whatever became of the request.
  func releaseGathered() {
    if gatheredMemory > 0 { worker.gatheredMemory.give(gatheredMemory, from: origin.address) }
    gatheredMemory = 0
    gathered.removeAll()
    gathered.giveBack(to: worker.buffers)
    if !gatheredTrailers.isEmpty { gatheredTrailers = [] }
  }

  /// The client, by the peer's address or by the word of proxies that are trusted.
  var clientAddress: ClientAddress {
    guard let connection = client?.connection else { return .unknown }
    let address = believedClient?.address ?? connection.peer
    return address.client
  }

  /// The same, and its HTTP/2 connection, unless that is a proxy's.
  var clientOrigin: ClientOrigin {
    guard case .http2 = client, let connection = client?.connection, let slot = connection.slot, !connection.trustsPeer else {
      return ClientOrigin(address: clientAddress)
    }
    return ClientOrigin(address: connection.peer.client, connection: slot.token)
  }
}
