import CHiredis

/// Stands between hiredis' parser and what it builds, and refuses what the rest of hiredis would trip over.
///
/// hiredis 0.14 ends the process (`assert`) on a reply that nobody asked for, and on a pushed array whose elements are not
/// what it expects; it allocates as many elements as a reply's head announces. A server must not be able to do either. The
/// parser builds objects through a table of functions; ours look, then call the original. Refusing (null) makes the parser
/// report "out of memory", on which hiredis closes the connection in order; `refusal` holds the true reason.
final class ReplyGuard {
  typealias Context = UnsafeMutablePointer<redisAsyncContext>
  typealias Task = UnsafePointer<redisReadTask>
  private enum Push { case none, subscribe, message }

  private let context: Context
  private let original: UnsafeMutablePointer<redisReplyObjectFunctions>
  private let table: UnsafeMutablePointer<redisReplyObjectFunctions>
  private let limits: RedisLimits
  /// The channel whose messages may come.
  var channel: [UInt8] = []
  /// The next array is a snapshot.
  var expectsSnapshot = false
  /// The snapshot that is being read or was read last.
  var snapshot: SnapshotCollector?
  private var isCollecting = false
  private var push = Push.none
  /// Why a reply was refused.
  private(set) var refusal: String?
  /// What nested objects are said to be while collecting. The parser keeps and frees only the outermost object.
  private static let unkept = 1

  init(_ context: Context, limits: RedisLimits) {
    self.context = context
    self.limits = limits
    // hiredis makes one with each context.
    let reader = context.pointee.c.reader!
    original = reader.pointee.fn
    table = .allocate(capacity: 1)
    table.initialize(
      to: redisReplyObjectFunctions(
        createString: { ReplyGuard.of($0)?.string($0!, $1, $2) },
        createArray: { ReplyGuard.of($0)?.array($0!, $1) },
        createInteger: { ReplyGuard.of($0)?.integer($0!, $1) },
        createNil: { ReplyGuard.of($0)?.null($0!) },
        freeObject: original.pointee.freeObject))
    reader.pointee.fn = table
  }

  /// After the context, which points at the table, is gone.
  deinit { table.deallocate() }

  private static func of(_ task: Task?) -> ReplyGuard? {
    RedisScope.connection(task?.pointee.privdata)?.replies
  }

  private func refuse(_ reason: String) -> UnsafeMutableRawPointer? {
    if refusal == nil { refusal = reason }
    return nil
  }

  // MARK: What may come

  /// A command waits for its answer; hiredis gives it the next reply, whatever its kind.
  private var awaitsAnswer: Bool { context.pointee.replies.head != nil }
  private var isSubscribed: Bool { context.pointee.c.flags & REDIS_SUBSCRIBED != 0 }

  private func string(_ task: Task, _ text: UnsafeMutablePointer<CChar>?, _ count: Int) -> UnsafeMutableRawPointer? {
    if task.pointee.parent == nil {
      // An error that nobody asked for ("max number of clients reached") is the one such reply that hiredis handles.
      guard awaitsAnswer || task.pointee.type == REDIS_REPLY_ERROR else { return refuse("a reply that was not asked for") }
      return original.pointee.createString(task, text, count)
    }
    let bytes = UnsafeBufferPointer(start: UnsafeRawPointer(text)?.assumingMemoryBound(to: UInt8.self), count: count)
    guard task.pointee.type == REDIS_REPLY_STRING else { return refuse("an array with an element of the wrong type") }
    if isCollecting {
      snapshot?.add(index: Int(task.pointee.idx), bytes)
      if snapshot?.isMalformed != false { return refuse("a reply that is no list of members and scores") }
      return UnsafeMutableRawPointer(bitPattern: Self.unkept)
    }
    switch task.pointee.idx {
    case 0:
      push = bytes.elementsEqual("message".utf8) ? .message : bytes.elementsEqual("subscribe".utf8) ? .subscribe : .none
      guard push != .none else { return refuse("a push that is no message") }
    case 1: guard bytes.elementsEqual(channel) else { return refuse("a message of another channel") }
    default: guard push == .message else { return refuse("a malformed answer to SUBSCRIBE") }
    }
    return original.pointee.createString(task, text, count)
  }

  private func array(_ task: Task, _ count: Int32) -> UnsafeMutableRawPointer? {
    guard task.pointee.parent == nil else { return refuse("an array within an array") }
    push = .none
    isCollecting = false
    if awaitsAnswer {
      guard expectsSnapshot else { return refuse("an array in answer to a command that has none") }
      expectsSnapshot = false
      isCollecting = true
      let collector = SnapshotCollector(elements: Int(count), limits: limits)
      snapshot = collector
      if collector.isMalformed { return refuse("a reply that is no list of members and scores") }
      // The parser counts the elements by itself; there are none to be kept.
      return original.pointee.createArray(task, 0)
    }
    guard isSubscribed, count == 3 else { return refuse("an array that was not asked for") }
    return original.pointee.createArray(task, count)
  }

  private func integer(_ task: Task, _ value: Int64) -> UnsafeMutableRawPointer? {
    if task.pointee.parent == nil {
      guard awaitsAnswer else { return refuse("a reply that was not asked for") }
    } else {
      guard push == .subscribe, task.pointee.idx == 2 else { return refuse("an array with an element of the wrong type") }
    }
    return original.pointee.createInteger(task, value)
  }

  private func null(_ task: Task) -> UnsafeMutableRawPointer? {
    guard task.pointee.parent == nil, awaitsAnswer else { return refuse("a null that was not asked for") }
    return original.pointee.createNil(task)
  }
}
