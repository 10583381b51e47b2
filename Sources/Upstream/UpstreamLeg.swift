import Bytes
import HTTP
import HTTP1

/// What carries a request to a backend: an HTTP/1.1 connection, or a stream of an HTTP/2 one.
///
/// A client speaks to its backend through this alone and need not know which it is, but for how a head is written.
public enum UpstreamLeg {
  case http1(UpstreamConnection)
  case http2(UpstreamStream)

  /// Nil when it is gone and the last of the answer is still here.
  package var connection: UpstreamConnection? {
    switch self {
    case .http1(let connection): connection
    case .http2(let stream): stream.connection
    }
  }

  package var endpointIndex: Int {
    switch self {
    case .http1(let connection): connection.endpointIndex
    case .http2(let stream): stream.endpointIndex
    }
  }

  /// Whether the backend takes content slower than it comes.
  package var isCongested: Bool {
    switch self {
    case .http1(let connection): connection.isCongested
    case .http2(let stream): stream.isCongested
    }
  }

  package func isSame(as other: UpstreamLeg?) -> Bool {
    switch (self, other) {
    case (.http1(let left), .http1(let right)?): left === right
    case (.http2(let left), .http2(let right)?): left === right
    default: false
    }
  }

  /// The backend has agreed: what follows in both directions is the tunnel's, until either side ends it.
  package func tunnelOpened() {
    switch self {
    case .http1(let connection): connection.tunnelOpened()
    case .http2(let stream): stream.tunnelOpened()
    }
  }

  /// The client will send no more through the tunnel; the backend is given a little time to end its side as well.
  package func tunnelEnded() {
    switch self {
    case .http1(let connection): connection.tunnelEnded()
    case .http2(let stream): stream.tunnelEnded()
    }
  }

  /// A run of the request's content. `isChunked`: the head promised no length.
  package func content(_ bytes: UnsafeBufferPointer<UInt8>, isChunked: Bool) {
    switch self {
    case .http1(let connection): connection.content(bytes, isChunked: isChunked)
    case .http2(let stream): stream.content(bytes)
    }
  }

  /// A trailer field of the request (RFC 9110 section 6.5). Behind content of a promised length HTTP/1.1 has no place for it, and it is
  /// left out (section 6.5.1): a backend would take it for the beginning of the next request.
  package func trailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, isChunked: Bool, isFirst: Bool) {
    switch self {
    case .http1(let connection): if isChunked { connection.trailer(name, value, isFirst: isFirst) }
    case .http2(let stream): stream.trailer(name, value)
    }
  }

  /// The request is complete.
  package func requestEnded(isChunked: Bool, hadTrailers: Bool) {
    switch self {
    case .http1(let connection):
      if isChunked { connection.endChunks(hadTrailers: hadTrailers) }
      connection.requestEnded()
    case .http2(let stream): stream.requestEnded()
    }
  }

  /// Writes what is waiting.
  package func flush() {
    switch self {
    case .http1(let connection): connection.flush()
    case .http2(let stream): stream.flush()
    }
  }

  /// The client has not taken what is there: no more is read, and the backend's time stands still.
  package func holdBack() {
    switch self {
    case .http1(let connection): connection.holdBack()
    case .http2(let stream): stream.holdBack()
    }
  }

  /// It has; the backend's time begins anew.
  package func goOn() {
    switch self {
    case .http1(let connection): connection.goOn()
    case .http2(let stream): stream.goOn()
    }
  }

  /// The client has no more interest.
  package func cancel() {
    switch self {
    case .http1(let connection): connection.cancel()
    case .http2(let stream): stream.cancel()
    }
  }
}

extension UpstreamConnection {
  func content(_ bytes: UnsafeBufferPointer<UInt8>, isChunked: Bool) {
    if isChunked {
      output.borrow(from: buffers)
      ChunkedEncoder.beginChunk(bytes.count, into: &output)
    }
    send(bytes)
    guard isOpen else { return }
    if isChunked {
      output.borrow(from: buffers)
      ChunkedEncoder.endChunk(into: &output)
    }
    if isCongested { oweDrained() }
    requestProgressed()
  }

  func trailer(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, isFirst: Bool) {
    output.borrow(from: buffers)
    if isFirst { ChunkedEncoder.beginTrailers(into: &output) }
    HeadWriter.field(name.span, value.span, into: &output)
  }

  func endChunks(hadTrailers: Bool) {
    output.borrow(from: buffers)
    if !hadTrailers { ChunkedEncoder.beginTrailers(into: &output) }
    ChunkedEncoder.endTrailers(into: &output)
  }
}
