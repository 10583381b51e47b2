import Bytes
import HTTP
import HTTP1

/// The response on its way in: its head, its content, its end.
extension UpstreamConnection {
  /// Parses what there is of a head. True when the state has moved on.
  func readHead() -> Bool {
    let bytes = input.readable
    switch parser.parse(bytes.span, into: &responseHead, requestMethod: requestMethod) {
    case .needMore:
      return false
    case .failed:
      fail(UpstreamFailure(.protocol, requestUnsent: false, connectionReused: mayBeStale, responseStarted: true))
      return false
    case .complete:
      let head = UnsafeBufferPointer(rebasing: bytes[..<responseHead.length])
      let isInterim = responseHead.isInterim
      if isInterim {
        guard interim.allow(responseHead.status, responseHead.length) else {
          fail(UpstreamFailure(.protocol, requestUnsent: false, connectionReused: mayBeStale, responseStarted: true))
          return false
        }
      } else {
        state = .readingBody
        // Behind 101 comes another protocol.
        keepsOpen = responseHead.isPersistent && responseHead.status != 101
        switch responseHead.framing {
        case .none, .stream: body = .none
        case .length(let count): body = count == 0 ? .none : .length(count)
        case .chunked:
          body = .chunked
          decoder = ChunkedDecoder()
        case .untilClose:
          body = .untilClose
          keepsOpen = false
        }
        expect(backend.idleTimeout)
      }
      let length = responseHead.length
      client?.upstreamHead(.http1(self), responseHead, bytes: head)
      guard isOpen, client != nil else { return false }
      input.consume(length)
      if isInterim {
        responseHead.reset()
        parser.reset()
      } else if case .none = body {
        complete()
        return false
      }
      return true
    }
  }

  /// Hands content on. True when something was consumed and the response goes on.
  func readBody() -> Bool {
    let bytes = input.readable
    switch body {
    case .none:
      complete()
      return false
    case .length(let remaining):
      let count = bytes.count < remaining ? bytes.count : Int(remaining)
      client?.upstreamBody(UnsafeBufferPointer(rebasing: bytes[..<count]))
      guard isOpen, client != nil else { return false }
      input.consume(count)
      expect(backend.idleTimeout)
      if UInt64(count) == remaining {
        body = .none
        complete()
        return false
      }
      body = .length(remaining &- UInt64(count))
      return true
    case .untilClose:
      client?.upstreamBody(bytes)
      guard isOpen, client != nil else { return false }
      input.consume(bytes.count)
      expect(backend.idleTimeout)
      return true
    case .tunnel:
      client?.upstreamBody(bytes)
      guard isOpen, client != nil else { return false }
      input.consume(bytes.count)
      expect(backend.tunnelTimeout)
      return true
    case .chunked:
      return readChunks(bytes)
    }
  }

  func readChunks(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var consumed = 0
    while true {
      switch decoder.next(bytes.span, consumed: &consumed) {
      case .needMore:
        input.consume(consumed)
        expect(backend.idleTimeout)
        return false
      case .data(let range):
        client?.upstreamBody(UnsafeBufferPointer(rebasing: bytes[range.start..<range.end]))
      case .trailer(let name, let value):
        client?.upstreamTrailer(
          name: UnsafeBufferPointer(rebasing: bytes[name.start..<name.end]),
          value: UnsafeBufferPointer(rebasing: bytes[value.start..<value.end]))
      case .end:
        input.consume(consumed)
        body = .none
        complete()
        return false
      case .failed:
        fail(UpstreamFailure(.protocol, requestUnsent: false, connectionReused: mayBeStale, responseStarted: true))
        return false
      }
      guard isOpen, client != nil else { return false }
      if isReadingPaused {
        input.consume(consumed)
        return false
      }
    }
  }

  /// The response is whole. Back to the pool, unless the request is not, or anything is left over.
  func complete() {
    guard let client else { return shutDown() }
    self.client = nil
    drain = nil
    let reusable = keepsOpen && requestComplete && input.isEmpty && output.isEmpty && !isUnwritable && !pool.isRetired
    if reusable {
      state = .idle
      returnInput()
      // Bytes beyond the response are nobody's: reading them closes the connection. What is in memory already no event would tell of;
      // what is in the socket the loop tells of in its next turn, and whoever takes the connection before that looks.
      if isReadingPaused { resumeReading() }
      if isOpen, !wire.hasPending || isQuiet() { park() }
    } else {
      shutDown()
    }
    // Last, so that a next request that is already waiting finds the connection in the pool.
    client.upstreamEnded()
  }
}
