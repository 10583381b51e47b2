/// Bounds of one HTTP/2 connection.
package struct HTTP2Limits: Sendable {
  /// What is wrong with a head may be said in an answer up to this many times its bounds; beyond, the connection closes.
  static let abusiveHead = 4

  /// Bytes of one field section, counted as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113 section 6.5.2): names, values and
  /// 32 for each field. Passing it is `headersTooLarge`.
  package var headerBytes: Int
  /// Fields of one head; cookie crumbs are one field together (RFC 9113 section 8.2.3).
  package var headerCount: Int
  /// Bytes of `:path`.
  package var uriBytes: Int
  /// Streams alive at once: what the peer may open (server), or what we do, if the peer allows as many (client).
  package var streams: Int
  /// Bytes that a stream may receive before they are consumed.
  package var streamWindow: Int
  /// The same for all streams of the connection together.
  package var connectionWindow: Int
  /// Bytes of content that are taken from a stream after its response, or its refusal.
  package var discarded: Int
  /// When the bytes that wait on a stream fall to this many, its owner is told.
  package var lowWater: Int
  /// Bytes of a field section that is sent, names and values and what HPACK may need beside. A larger one resets its stream. The
  /// largest head that a backend may be let send is smaller.
  package var sentHeaderBytes: Int
  /// Bytes of heads that wait to be sent, all streams together, before `holdsManyHeads`.
  package var pendingHeadBytes: Int
  package var abuse: AbuseLimits

  /// What is asked for each field. Handed on as three numbers, where all of this would be copied each time.
  struct Head {
    let bytes: Int
    let count: Int
    let uriBytes: Int
  }

  var head: Head { Head(bytes: headerBytes, count: headerCount, uriBytes: uriBytes) }

  package init(
    headerBytes: Int = 32 << 10, headerCount: Int = 100, uriBytes: Int = 8 << 10, streams: Int = 100,
    streamWindow: Int = 64 << 10, connectionWindow: Int = 1 << 20, discarded: Int = 64 << 20, lowWater: Int = 16 << 10,
    sentHeaderBytes: Int = 160 << 10, pendingHeadBytes: Int = 256 << 10, abuse: AbuseLimits = .client
  ) {
    self.headerBytes = headerBytes
    self.headerCount = headerCount
    self.uriBytes = uriBytes
    self.streams = streams
    self.streamWindow = streamWindow
    self.connectionWindow = connectionWindow
    self.discarded = discarded
    self.lowWater = lowWater
    self.sentHeaderBytes = sentHeaderBytes
    self.pendingHeadBytes = pendingHeadBytes
    self.abuse = abuse
  }
}
