import Bytes
import HTTP

/// One request and its response. Commands to it are given to its session.
///
/// The object serves one stream after another, but only when nobody else holds it: whoever keeps it past `streamClosed` has a
/// closed stream, never somebody else's.
public final class HTTP2Stream {
  enum State { case idle, open, closed }

  package internal(set) var id: Int32 = 0
  /// Server: the request's. Defined from `requestHead` on.
  package internal(set) var head: RequestHead
  /// Client: the latest response's. Defined from `responseHead` on.
  package internal(set) var responseHead: ResponseHead
  /// What the ranges of `head` or `responseHead` point into: names in lower case, cookie crumbs in one field (RFC 9113 section
  /// 8.2.3).
  package internal(set) var headBytes = ByteQueue()
  /// Why the head is refused, if it is.
  package internal(set) var headRefusal: HTTP2HeadError?
  /// Where the session's owner has whoever serves this stream: a slot of a table of its own.
  package var ownerSlot: SlotID?

  /// Bytes of content handed over and not yet consumed.
  package internal(set) var unconsumed = 0
  /// Bytes that wait to be sent.
  package var pendingOutput: Int { output.count }
  /// Whether commands have an effect.
  package var isOpen: Bool { state == .open && !isResetting }
  /// The peer's message is whole.
  package internal(set) var remoteEnded = false
  /// Our message is whole: queued, not necessarily sent.
  package internal(set) var outputEnded = false
  /// A final head was given to be sent.
  package internal(set) var hasResponded = false

  var state = State.idle
  /// Among the session's live streams; nil when it is none of them.
  var slot: SlotID?
  /// RST_STREAM is queued: nothing is handed over any more.
  var isResetting = false
  /// The owner asked for it, so it is not the peer's doing.
  var isResetByOwner = false
  /// What comes is consumed and forgotten.
  var discardsContent = false
  /// Bytes of it.
  package internal(set) var discarded = 0
  /// Our END_STREAM has been sent.
  var localEndSent = false
  /// RST_STREAM is to follow it.
  var resetsBehindEnd = false
  var closeCode = HTTP2ErrorCode.noError
  /// Why we end the stream, if we do: both its halves may be over, and nghttp2 then closes it before it sends our reset.
  var refusalCode: HTTP2ErrorCode?

  /// Bytes of content that have come, and, server: how many `content-length` has promised.
  var contentSeen = 0
  var promised: UInt64?
  /// Its request may end short of that: the answer's head is on its way, and the rest of it still to be sent.
  var mayEndEarly: Bool { isOpen && hasResponded && !localEndSent && promised != nil }

  // Sending.
  var output = ByteQueue()
  var trailers = FieldSink()
  /// nghttp2 asked for data and there was none: it has to be told when there is some.
  var isDeferred = false
  /// The owner is owed `outputDrained`.
  var owesDrained = false
  var isInDrainedList = false
  /// Bytes of content that have gone out in frames.
  package internal(set) var contentSent: UInt64 = 0

  // Receiving a field section.
  /// Pseudo-header values (RFC 9113 section 8.3).
  var scheme = ByteRange.empty
  var pseudoPath = ByteRange.empty
  var pseudoAuthority = ByteRange.empty
  var pseudoProtocol = ByteRange.empty
  var hasProtocol = false
  var hostField = ByteRange.empty
  var hasContentLength = false
  var expectsContinue = false
  var crumbs = ByteQueue()
  var fieldsSeen = 0
  var sectionBytes = 0
  var readsTrailers = false
  /// Client: a final head was received.
  var hasFinalHead = false
  /// Client: the request was HEAD, so its response has no content.
  var isHeadRequest = false
  /// Client: an extended CONNECT, whose 2xx is the start of a tunnel.
  var isTunnelRequest = false

  init(requestFields: Int, responseFields: Int) {
    head = RequestHead(fieldCapacity: requestFields)
    responseHead = ResponseHead(fieldCapacity: responseFields)
  }

  /// Gives back the memory of the head before the stream ends. `head` and `responseHead` are undefined from here on.
  package func releaseHead() {
    headBytes.release()
    crumbs.release()
    head.reset()
    responseHead.reset()
  }

  /// Makes it ready for another stream.
  func recycle() {
    id = 0
    ownerSlot = nil
    head.reset()
    responseHead.reset()
    headRefusal = nil
    unconsumed = 0
    remoteEnded = false
    outputEnded = false
    hasResponded = false
    state = .idle
    isResetting = false
    isResetByOwner = false
    discardsContent = false
    discarded = 0
    localEndSent = false
    resetsBehindEnd = false
    contentSeen = 0
    promised = nil
    closeCode = .noError
    refusalCode = nil
    trailers.release()
    isDeferred = false
    owesDrained = false
    isInDrainedList = false
    contentSent = 0
    readsTrailers = false
    hasFinalHead = false
    isHeadRequest = false
    isTunnelRequest = false
    if headBytes.allocated > HTTP2StreamPool.keptHeadBytes { headBytes.release() } else { headBytes.removeAll() }
    crumbs.release()
    beginSection()
  }

  /// A field section begins: head or trailers.
  func beginSection() {
    fieldsSeen = 0
    sectionBytes = 0
  }
}

extension HTTP2Stream {
  /// Hands the request's head and its bytes over, for a head and a queue that are free: whoever serves the request keeps them
  /// beyond this call without a copy. `head` and `headBytes` are undefined from here on.
  package func takeHead(_ other: inout RequestHead, _ bytes: inout ByteQueue) {
    swap(&head, &other)
    swap(&headBytes, &bytes)
  }
}
