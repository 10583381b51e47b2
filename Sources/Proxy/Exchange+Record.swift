import Bytes
import HTTP
import Reactor
import Telemetry
import Upstream

/// What is left of a request: its counters and its line in the access log.
extension Exchange {
  func record() {
    let finished = loop.monotonicNanoseconds
    metrics.countRequest(route: metricRoute, method: head.method, status: status, nanoseconds: finished &- startedAt)
    if let error { metrics.countDenied(route: metricRoute, code: error.rawValue) }
    if let snapshot, backend >= 0, answeringEndpoint >= 0 {
      let backend = snapshot.proxy.backends[backend]
      metrics.countUpstream(
        backend: backend.metricID, endpoint: backend.endpoints[answeringEndpoint].metricID,
        result: (isBrokenOff ? UpstreamOutcome.broken : .answered).rawValue)
    }
    guard worker.writesAccessLog else { return }
    if waitingSince > 0 { noteWaited() }
    guard worker.log.isCrowded else { return writeLine(finished) }
    let (client, before) = (clientAddress, worker.log.queue.count)
    guard worker.log.admitsLine(of: client) else { return worker.metrics.countDroppedLine() }
    writeLine(finished)
    worker.log.took(worker.log.queue.count &- before, of: client)
  }

  /// The client's address by the word of proxies that are trusted: the last in `X-Forwarded-For` that is none of them
  /// itself. Nil when the peer is to be taken for the client.
  var believedClient: (text: UnsafeBufferPointer<UInt8>, address: PeerAddress)? {
    guard let connection = client?.connection, connection.trustsPeer else { return nil }
    var last: (text: UnsafeBufferPointer<UInt8>, address: PeerAddress)?
    var next = head.fields.first(.xForwardedFor)
    while let index = next {
      for element in slice(head.fields[index].value).split(separator: 0x2c) {
        let address = UnsafeBufferPointer(rebasing: element)
        guard let peer = PeerAddress(text: address) else { continue }
        if last == nil || !connection.context.trusts(peer) { last = (ASCII.trimmed(address), peer) }
      }
      next = head.fields.first(.xForwardedFor, from: index + 1)
    }
    return last
  }

  private var protocolName: StaticString {
    if case .http2? = client { return "HTTP/2" }
    return head.minorVersion == 0 ? "HTTP/1.0" : "HTTP/1.1"
  }

  private func writeLine(_ finished: UInt64) {
    let proxy = snapshot?.proxy
    let connection = client?.connection
    let peerText = connection?.peerText ?? []
    let believed = believedClient
    var routeName = route?.name ?? ""
    let destination = backend >= 0 ? proxy?.backends[backend] : nil
    var backendName = destination?.name ?? ""
    var endpointName = destination.map { $0.endpoints.indices.contains(triedEndpoint) ? $0.endpoints[triedEndpoint].name : "" } ?? ""
    let identity = connection?.wire.peerIdentity?.name ?? []
    let upstreamIdentity = upstreamIdentityName
    let principal = token?.principal
    peerText.withUnsafeBufferPointer { peer in
      identity.withUnsafeBufferPointer { identity in
        upstreamIdentity.withUnsafeBufferPointer { upstreamIdentity in
          routeName.withUTF8 { routeName in
            backendName.withUTF8 { backendName in
              endpointName.withUTF8 { endpointName in
                let none: [UInt8] = []
                (principal?.issuer ?? none).withUnsafeBufferPointer { issuer in
                  (principal?.subject ?? none).withUnsafeBufferPointer { subject in
                    let (id, method, host, path) = (requestID, slice(head.methodRange), slice(head.authority), path)
                    let traceID = UnsafeBufferPointer(start: identifiers + 36 + 3, count: TraceContext.traceIDLength)
                    let client = believed?.text ?? peer
                    var line = AccessLogLine()
                    line.time = Int64(startedReal / 1_000_000)
                    line.requestID = id.span
                    line.traceID = traceID.span
                    line.clientIP = client.span
                    line.clientIdentity = identity.span
                    line.httpProtocol = protocolName
                    line.tls = connection?.wire.version ?? ""
                    line.method = method.span
                    line.host = host.span
                    line.path = path.span
                    line.route = routeName.span
                    line.status = UInt16(truncatingIfNeeded: status)
                    if let error { line.code = error.code.bytes }
                    line.issuer = issuer.span
                    line.subject = subject.span
                    line.backend = backendName.span
                    line.endpoint = endpointName.span
                    line.upstreamIdentity = upstreamIdentity.span
                    line.token = token == nil ? .none : tokenWasCached ? .cached : .verified
                    line.bytesIn = bytesIn
                    line.bytesOut = bytesOut
                    line.duration = finished &- startedAt
                    if upstreamAskedAt > 0, upstreamAnsweredAt > 0 { line.upstreamDuration = upstreamAnsweredAt &- upstreamAskedAt }
                    if waitedFor > 0 { line.upstreamWait = waitedFor }
                    worker.accessLog.append(line, to: &worker.log.queue)
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}

/// How a request to a backend ended; the raw value indexes the metric's words.
package enum UpstreamOutcome: UInt8, CaseIterable, Sendable {
  /// A response came, and was whole unless somebody else ended it.
  case answered
  /// A response began, and the backend broke it off.
  case broken
  /// No response, for the reason that `UpstreamFailure.Kind` names.
  case connect, tls, identity, `protocol`, reset, timeout, overloaded

  init(_ kind: UpstreamFailure.Kind) {
    switch kind {
    case .connect: self = .connect
    case .tls: self = .tls
    case .identity: self = .identity
    case .protocol: self = .protocol
    case .reset: self = .reset
    case .timeout: self = .timeout
    case .overloaded: self = .overloaded
    }
  }

  package var word: String {
    switch self {
    case .answered: "success"
    case .broken: "broken"
    case .connect: "connect"
    case .tls: "tls"
    case .identity: "identity"
    case .protocol: "protocol"
    case .reset: "reset"
    case .timeout: "timeout"
    case .overloaded: "overloaded"
    }
  }
}
