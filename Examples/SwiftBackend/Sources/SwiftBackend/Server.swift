import Foundation
import GatehouseBackend
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Speaks HTTP/1.1 over mutual TLS, and asks `InternalTokenVerifier` about each request.
struct Server: Sendable {
  typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPPart<HTTPResponseHead, ByteBuffer>>

  let verifier: InternalTokenVerifier
  let tls: NIOSSLContext

  func run(host: String, port: Int) async throws {
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .bind(host: host, port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(NIOSSLServerHandler(context: tls))
          try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
          try pipeline.addHandler(BufferParts<HTTPResponseHead>())
          return try Connection(wrappingChannelSynchronously: channel)
        }
      }
    print("ready: \(host):\(listener.channel.localAddress?.port ?? port)")
    fflush(nil)
    try await withThrowingDiscardingTaskGroup { group in
      try await listener.executeThenClose { connections in
        for try await connection in connections {
          group.addTask { try? await serve(connection) }
        }
      }
    }
  }

  private func serve(_ connection: Connection) async throws {
    try await connection.executeThenClose { inbound, outbound in
      var certificate: [UInt8]?
      var request: HTTPRequestHead?
      for try await part in inbound {
        switch part {
        case .head(let head): request = head
        case .body: break
        case .end:
          guard let head = request else { return }
          // The handshake is over once a request is here, so the certificate is known; it is the same for the whole connection.
          if certificate == nil { certificate = try await connection.channel.nioSSL_peerCertificate().get()?.toDERBytes() }
          let (status, answer) = await respond(to: head, certificate)
          let content = try JSONEncoder().encode(answer)
          var fields: HTTPHeaders = ["Content-Type": "application/json", "Content-Length": "\(content.count)"]
          if !head.isKeepAlive { fields.add(name: "Connection", value: "close") }
          try await outbound.write(.head(HTTPResponseHead(version: .http1_1, status: status, headers: fields)))
          try await outbound.write(.body(ByteBuffer(bytes: content)))
          try await outbound.write(.end(nil))
          if !head.isKeepAlive { return }
        }
      }
    }
  }

  /// What is said to the user whom the token names; 401 to everybody else.
  private func respond(to request: HTTPRequestHead, _ certificate: [UInt8]?) async -> (HTTPResponseStatus, [String: String]) {
    let fields = request.headers["X-Internal-Token"]
    guard fields.count == 1 else { return (.unauthorized, ["error": "\(fields.count) tokens"]) }
    do {
      let token = try await verifier.verify(fields[0], on: .connection(clientCertificate: certificate))
      return (
        .ok,
        [
          "greeting": "hello \(token.subject)", "identity_provider": token.identityProvider ?? "",
          "scopes": token.scopes.joined(separator: ","), "path": request.uri,
        ]
      )
    } catch .keysUnavailable {
      return (.serviceUnavailable, ["error": InternalTokenError.keysUnavailable.code])
    } catch {
      return (.unauthorized, ["error": error.code])
    }
  }
}
