import Configuration
import Foundation
import Proxy
import Reactor
import Upstream

/// A configuration made ready to serve: keys and certificates loaded and checked, routes compiled, addresses known.
package struct BuiltSnapshot: Sendable {
  package let proxy: ProxySnapshot
  package let configuration: GatewayConfiguration
  package let listeners: [BuiltListener]
  package let files: [LoadedFile]
  package let sha256: String
  /// File and Unix seconds of each certificate's end.
  package let certificates: [(name: String, notAfter: Int64)]
  /// Endpoints that are names, which change their addresses.
  package let namedEndpoints: [Endpoint]
  /// The signing keys and their times; nil when no route authenticates.
  package let signing: SigningPlan?
  /// The second that `proxy.internalTokens` are of.
  package let builtAt: Int64
  /// What is worth saying, but no error.
  package let warnings: [Diagnostic]
  /// The deny-lists to be followed.
  let revocation: RevocationPlan
}

package struct BuiltListener: Sendable {
  package let context: ListenerContext
  package let address: SocketAddressSettings
  /// Where the address is written, for the error that it cannot be had.
  package let location: SourceLocation
}

extension SocketAddressSettings {
  /// As people write it: `host:port`, `[v6]:port`, `unix:PATH`.
  package var text: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }

  /// The socket address to bind.
  ///
  /// - Parameter known: what a name resolves to.
  func address(_ known: (String) -> [SocketAddress]) -> SocketAddress? {
    switch self {
    case .tcp(let host, let port): SocketAddress(literal: host, port: port) ?? known(host).lazy.compactMap { $0.with(port: port) }.first
    case .unix(let path): try? SocketAddress(unixPath: path)
    }
  }
}
