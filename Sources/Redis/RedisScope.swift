import CHiredis

/// What hiredis' callbacks find the connection by: it is there while hiredis runs, and no longer. It stands on the stack of the call and
/// holds the connection; before and behind, hiredis knows nothing of us.
struct RedisScope: ~Copyable {
  private let connection: RedisConnection

  private init(_ connection: RedisConnection) { self.connection = connection }

  /// Runs `body`, which calls hiredis. Calls nest: a reply's owner asks for the next thing at once.
  ///
  /// - Parameter isThere: whether hiredis has kept the context.
  static func run(
    _ connection: RedisConnection, _ body: (UnsafeMutablePointer<redisAsyncContext>) -> Void,
    with context: UnsafeMutablePointer<redisAsyncContext>, _ isThere: () -> Bool
  ) {
    let outer = context.pointee.data
    var scope = RedisScope(connection)
    withUnsafeMutablePointer(to: &scope) { pointer in
      gh_redis_point(context, pointer)
      body(context)
      if isThere() { gh_redis_point(context, outer) }
    }
  }

  static func connection(_ pointer: UnsafeMutableRawPointer?) -> RedisConnection? {
    pointer?.assumingMemoryBound(to: RedisScope.self).pointee.connection
  }
}
