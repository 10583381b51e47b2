import Proxy
import TLS

/// What `gatehouse --version` says: which build this is, and what it runs with.
package enum BuildInformation {
  package static let version = "0.1.0"

  package static var text: String {
    #if DEBUG
      let kind = "debug"
    #else
      let kind = "release"
    #endif
    return """
      gatehouse \(version) (\(kind))
      build ID: \(BuildID.read() ?? "none")
      OpenSSL: \(OpenSSLError.libraryVersion)
      nghttp2: \(ProxyLibraries.nghttp2)
      """
  }
}
