import CHiredis

/// What came on a connection, copied out of the library's memory.
enum RedisReply {
  /// A command's `+OK`, or another text or number that is not looked at.
  case done
  /// A command's error, in the server's words.
  case refused(String)
  /// The answer to SUBSCRIBE.
  case subscribed
  /// Published on the channel subscribed to. Nil: longer than the limit or not UTF-8.
  case message(String?, bytes: Int)
  case snapshot(SnapshotCollector)

  /// `raw` is valid during the callback only. `ReplyGuard` has let pass what is taken for granted here.
  init(_ raw: UnsafeMutablePointer<redisReply>, limits: RedisLimits) {
    switch raw.pointee.type {
    case REDIS_REPLY_ERROR:
      self = .refused(RedisFailure.quoting(Self.bytes(raw)))
    case REDIS_REPLY_ARRAY where raw.pointee.elements == 3:
      guard let last = raw.pointee.element?[2], last.pointee.type == REDIS_REPLY_STRING else {
        self = .subscribed
        return
      }
      let text = Self.bytes(last)
      self = .message(text.count <= limits.textBytes ? String(validating: text, as: UTF8.self) : nil, bytes: text.count)
    default:
      self = .done
    }
  }

  static func bytes(_ raw: UnsafeMutablePointer<redisReply>) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(start: UnsafeRawPointer(raw.pointee.str)?.assumingMemoryBound(to: UInt8.self), count: raw.pointee.len)
  }
}
