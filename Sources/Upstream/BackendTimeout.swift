/// Which of a backend's time-outs has ended a wait.
package enum BackendTimeout: Sendable, CaseIterable {
  case connect, response, idle, tunnel
  /// A WebSocket's Close, behind the client's. Not configured.
  case close

  package func milliseconds(of backend: Backend) -> Int {
    switch self {
    case .connect: backend.connectTimeout
    case .response: backend.responseTimeout
    case .idle: backend.idleTimeout
    case .tunnel: backend.tunnelTimeout
    case .close: min(UpstreamConnection.tunnelLinger, backend.tunnelTimeout)
    }
  }
}
