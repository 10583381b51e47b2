import Bytes
import CLinux
import Foundation
import HTTP
import HTTP1
import TLS

/// A small HTTP/1.1 server for development: a thread a connection, one request after another, in the clear or under mTLS.
///
/// It reads with the gateway's own strict parsers, so what the gateway sends is held to the same rules as what it receives.
final class HTTPServer: Sendable {
  typealias Handler = @Sendable (HTTPRequest) -> HTTPResponse

  private let socket: ListeningSocket
  private let context: ServerTLSContext?
  private let handler: Handler

  var port: UInt16 { socket.port }

  /// Binds at once, so that a port that is taken is an error here, and answers from `start` on.
  init(host: String, port: UInt16, context: ServerTLSContext?, handler: @escaping Handler) throws {
    socket = try ListeningSocket(host: host, port: port)
    self.context = context
    self.handler = handler
  }

  func start() {
    // OpenSSL writes without MSG_NOSIGNAL: a peer that is gone must be an error, not the end of the process.
    signal(SIGPIPE, SIG_IGN)
    Thread.detachNewThread { [self] in
      while let descriptor = socket.accept() {
        Thread.detachNewThread { [context, handler] in
          guard let stream = ByteStream(descriptor: descriptor, context: context) else { return }
          HTTPServerConnection(stream: stream, handler: handler).run()
        }
      }
    }
  }

  /// Accepts no more; connections end with their clients or after two silent minutes.
  func stop() { socket.stop() }
}

/// A request with its content counted, and its beginning kept.
struct HTTPRequest: Sendable {
  var method: String
  var path: String
  var query: String?
  /// Names and values in the order they came, names as sent.
  var fields: [(name: String, value: String)]
  /// The first 64 KiB of the content.
  var content: [UInt8]
  /// Bytes of the whole content.
  var contentCount: UInt64
  var peer: PeerIdentity?

  /// The value of the only field called `name`, in any case; nil when there is none or more than one.
  func field(_ name: String) -> String? {
    let found = fields.filter { $0.name.lowercased() == name.lowercased() }
    return found.count == 1 ? found[0].value : nil
  }
}

struct HTTPResponse: Sendable {
  var status: Int
  var type = "application/json"
  var content: [UInt8]
}
