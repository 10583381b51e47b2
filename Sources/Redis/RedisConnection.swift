import CHiredis
import CLinux
import Reactor

/// Hears what happens on a connection, on the loop's thread. May close the connection in any of these.
protocol RedisConnectionOwner: AnyObject {
  /// Connected, authenticated, and in the right database.
  func ready(_ connection: RedisConnection)
  /// Bytes have come.
  func progressed(_ connection: RedisConnection)
  func received(_ reply: RedisReply, on connection: RedisConnection)
  /// The connection is closed. The last call; not made after `close()`.
  func lost(_ connection: RedisConnection, _ reason: String)
}

/// One connection to a Redis server: hiredis' asynchronous context on our loop.
///
/// hiredis owns the socket and closes it when it frees the context, so the channel registers a duplicate. hiredis may free
/// the context within any call that handles an event, and tells so through its `cleanup` hook; we free it ourselves only
/// outside of those calls. It writes with write(2): SIGPIPE has to be ignored by the process. There is no deadline in here:
/// the owner has them all.
final class RedisConnection: Channel {
  private typealias Context = UnsafeMutablePointer<redisAsyncContext>

  private weak var owner: (any RedisConnectionOwner)?
  /// Nil once hiredis has freed it.
  private var context: Context?
  let replies: ReplyGuard
  private let limits: RedisLimits
  private var greeting: ArraySlice<[String]>
  private var isGreeting = true
  /// hiredis is on the stack and may not lose its context.
  private var isInside = false
  private var reason: String?

  /// Begins to connect. To an address: hiredis would look a name up, and block.
  static func open(
    _ endpoint: RedisEndpoint, loop: EventLoop, limits: RedisLimits, owner: any RedisConnectionOwner
  ) throws(RedisFailure) -> RedisConnection {
    // hiredis would cut it and connect to whatever is there.
    if case .unix(let path) = endpoint.address, path.utf8.count >= MemoryLayout.size(ofValue: sockaddr_un().sun_path) {
      throw RedisFailure("connect: the path of the socket is too long")
    }
    if case .tcp(let host, _) = endpoint.address, SocketAddress(literal: host, port: 0) == nil {
      throw RedisFailure("connect: \(host) is a name, not an address")
    }
    let made =
      switch endpoint.address {
      case .tcp(let host, let port): redisAsyncConnect(host, Int32(port))
      case .unix(let path): redisAsyncConnectUnix(path)
      }
    guard let context = made else { throw RedisFailure("out of memory") }
    guard context.pointee.err == 0 else {
      let reason = RedisFailure.quoting(context.pointee.errstr)
      redisAsyncFree(context)
      throw RedisFailure("connect: \(reason)")
    }
    gh_redis_close_on_exec(context.pointee.c.fd)
    let copy = gh_duplicate(context.pointee.c.fd)
    guard copy >= 0 else {
      let error = Errno(gh_errno())
      redisAsyncFree(context)
      throw RedisFailure("connect: \(error)")
    }
    let connection = RedisConnection(loop, copy, context, endpoint, limits, owner)
    do {
      try connection.register([])
    } catch {
      connection.abandonContext()
      throw RedisFailure("connect: \(error)")
    }
    connection.attach(context)
    return connection
  }

  private init(
    _ loop: EventLoop, _ descriptor: Int32, _ context: Context, _ endpoint: RedisEndpoint, _ limits: RedisLimits,
    _ owner: any RedisConnectionOwner
  ) {
    self.owner = owner
    self.context = context
    self.limits = limits
    replies = ReplyGuard(context, limits: limits)
    greeting = endpoint.greeting[...]
    super.init(loop: loop, descriptor: descriptor)
  }

  deinit { assert(context == nil, "a context was dropped without being freed") }

  private func attach(_ context: Context) {
    context.pointee.ev.addRead = { RedisScope.connection($0)?.add(.read) }
    context.pointee.ev.delRead = { RedisScope.connection($0)?.drop(.read) }
    context.pointee.ev.addWrite = { RedisScope.connection($0)?.add(.write) }
    context.pointee.ev.delWrite = { RedisScope.connection($0)?.drop(.write) }
    context.pointee.ev.cleanup = { RedisScope.connection($0)?.contextDies() }
    // Asks for the first write event, so it comes after the hooks.
    call { context in
      _ = redisAsyncSetConnectCallback(context) { context, status in
        if status == REDIS_OK { RedisScope.connection(context?.pointee.data)?.greet() }
      }
    }
  }

  /// Calls hiredis, which then finds this connection for as long as the call lasts.
  private func call(_ body: (Context) -> Void) {
    guard let context else { return }
    RedisScope.run(self, body, with: context) { self.context != nil }
  }

  // MARK: What the owner asks for

  /// Subscribes, or asks anew, which Redis answers as well. The answer is `.subscribed`.
  ///
  /// To ask anew is how the other side's life is felt: PING in a subscription is answered with a push that hiredis 0.14 does
  /// not know, and each one would leave a callback behind in its lists for as long as the connection lasts.
  func subscribe(_ channel: String) {
    replies.channel = Array(channel.utf8)
    send(["SUBSCRIBE", channel])
  }

  /// Asks for the members of the sorted set `key` with a score of at least `now`. The answer is `.snapshot`.
  func readSnapshot(key: String, now: UInt64) {
    replies.expectsSnapshot = true
    send(["ZRANGEBYSCORE", key, String(now), "+inf", "WITHSCORES"])
  }

  /// Puts `member` into the sorted set `key`. The answer is `.done`.
  func add(key: String, member: String, score: Int64) { send(["ZADD", key, String(score), member]) }

  /// Takes out of the sorted set `key` whatever has a score below `seconds`. The answer is `.done`.
  func trim(key: String, before seconds: UInt64) { send(["ZREMRANGEBYSCORE", key, "-inf", "(\(seconds)"]) }

  /// Publishes `text`. The answer is `.done`.
  func publish(_ text: String, on channel: String) { send(["PUBLISH", channel, text]) }

  private func send(_ words: [String]) {
    guard isOpen else { return }
    let bytes = words.map { Array($0.utf8) }
    let lengths = bytes.map(\.count)
    let start = lengths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) }
    bytes.joined().withContiguous { all in
      var pointers: [UnsafePointer<CChar>?] = start.dropLast().map { all + $0 }
      // Fails only for a context that is being closed, which is told by `lost`.
      call { _ = redisAsyncCommandArgv($0, Self.replied, nil, Int32(words.count), &pointers, lengths) }
    }
  }

  private static let replied: @convention(c) (Context?, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Void = {
    context, reply, _ in
    // Without a reply the connection is going, which `cleanup` tells.
    guard let reply else { return }
    RedisScope.connection(context?.pointee.data)?.received(reply.assumingMemoryBound(to: redisReply.self))
  }

  // MARK: What the loop says

  override func ready(_ readiness: Readiness) {
    isInside = true
    if readiness.contains(.write) { call { redisAsyncHandleWrite($0) } }
    if isOpen, !readiness.isDisjoint(with: [.read, .hangup]), context != nil {
      call { redisAsyncHandleRead($0) }
      if isOpen, self.context != nil { owner?.progressed(self) }
      checkUnparsed()
    }
    isInside = false
    if !isOpen { return abandonContext() }
    guard context == nil || reason != nil else { return }
    let owner = owner
    let reason = replies.refusal ?? reason ?? "the connection ended"
    close()
    owner?.lost(self, reason)
  }

  override func closing() {
    owner = nil
    if !isInside { abandonContext() }
  }

  private func checkUnparsed() {
    guard let reader = context?.pointee.c.reader, reader.pointee.len - reader.pointee.pos > limits.unparsedBytes else { return }
    reason = "a reply with a piece of more than \(limits.unparsedBytes) bytes"
  }

  private func abandonContext() {
    guard let context else { return }
    self.context = nil
    context.pointee.ev.cleanup = nil
    redisAsyncFree(context)
  }

  // MARK: What hiredis says

  private func add(_ more: Readiness) { want(interest.union(more)) }
  private func drop(_ less: Readiness) { want(interest.subtracting(less)) }

  private func contextDies() {
    if let text = context?.pointee.errstr, text[0] != 0 { reason = reason ?? RedisFailure.quoting(text) }
    context = nil
  }

  /// Sends the next command of the greeting, or says that they are through.
  private func greet() {
    if let command = greeting.first { return send(command) }
    isGreeting = false
    owner?.ready(self)
  }

  private func received(_ raw: UnsafeMutablePointer<redisReply>) {
    let reply = RedisReply(raw, limits: limits)
    if isGreeting { return answered(reply) }
    if raw.pointee.type == REDIS_REPLY_ARRAY, raw.pointee.elements == 0, let snapshot = replies.snapshot {
      replies.snapshot = nil
      owner?.received(.snapshot(snapshot), on: self)
    } else {
      owner?.received(reply, on: self)
    }
  }

  private func answered(_ reply: RedisReply) {
    guard let command = greeting.popFirst()?.first else { return }
    guard case .refused(let text) = reply else { return greet() }
    // Only the error's name: Redis repeats the words of a command it does not know, and one of AUTH's is the password.
    reason = reason ?? "\(command) was refused: \(text.prefix { $0 != " " })"
  }
}

extension Collection where Element == UInt8 {
  fileprivate func withContiguous(_ body: (UnsafePointer<CChar>) -> Void) {
    let copy = map { CChar(bitPattern: $0) } + [0]
    copy.withUnsafeBufferPointer { if let start = $0.baseAddress { body(start) } }
  }
}
