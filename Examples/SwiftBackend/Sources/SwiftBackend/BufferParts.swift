import NIOCore
import NIOHTTP1

/// Lets content be written as buffers, which may cross threads, where NIO's encoders also take files, which may not.
final class BufferParts<Head: Sendable & Equatable>: ChannelOutboundHandler {
  typealias OutboundIn = HTTPPart<Head, ByteBuffer>
  typealias OutboundOut = HTTPPart<Head, IOData>

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let part: OutboundOut =
      switch unwrapOutboundIn(data) {
      case .head(let head): .head(head)
      case .body(let buffer): .body(.byteBuffer(buffer))
      case .end(let trailers): .end(trailers)
      }
    context.write(wrapOutboundOut(part), promise: promise)
  }
}
