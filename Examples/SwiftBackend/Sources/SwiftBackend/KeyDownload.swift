import Foundation
import GatehouseBackend
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Fetches the gateway's key set over TLS. Any HTTP client does; this one needs nothing that the server does not need as well.
struct KeyDownload: Sendable {
  private let host: String
  private let port: Int
  private let path: String
  private let tls: NIOSSLContext

  struct Failure: Error, CustomStringConvertible { let description: String }

  /// - Parameter authority: a PEM file; the certificate must come from it and have the URL's host as its name.
  init(url: String, authority: String) throws {
    guard let parts = URLComponents(string: url), parts.scheme == "https", let host = parts.host else {
      throw Failure(description: "\(url) is no https URL")
    }
    (self.host, port, path) = (host, parts.port ?? 443, parts.path)
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .file(authority)
    configuration.minimumTLSVersion = .tlsv12
    tls = try NIOSSLContext(configuration: configuration)
  }

  func fetch() async throws -> FetchedKeySet {
    let connection = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .connectTimeout(.seconds(5))
      .connect(host: host, port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: host))
          try pipeline.addHTTPClientHandlers()
          try pipeline.addHandler(BufferParts<HTTPRequestHead>())
          return try NIOAsyncChannel<HTTPClientResponsePart, HTTPPart<HTTPRequestHead, ByteBuffer>>(
            wrappingChannelSynchronously: channel)
        }
      }
    return try await connection.executeThenClose { inbound, outbound in
      let fields: HTTPHeaders = ["Host": "\(host):\(port)", "Connection": "close"]
      try await outbound.write(.head(HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: fields)))
      try await outbound.write(.end(nil))
      var control: String?
      var content: [UInt8] = []
      for try await part in inbound {
        switch part {
        case .head(let head):
          guard head.status == .ok else { throw Failure(description: "the answer was \(head.status)") }
          control = head.headers["Cache-Control"].joined(separator: ",")
        case .body(let buffer):
          content += buffer.readableBytesView
          guard content.count <= KeySet.maximumBytes else { throw Failure(description: "more than a key set") }
        case .end: return FetchedKeySet(content: content, cacheControl: control)
        }
      }
      throw Failure(description: "the connection ended early")
    }
  }
}
