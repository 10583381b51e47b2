import CLinux

/// Bytes in at the back, out at the front, in one contiguous piece of memory.
///
/// The memory comes from `malloc` when the first byte is put in and goes back with `release()`; an idle connection
/// holds none. Offsets are checked: a queue never hands out a pointer past what it holds.
///
/// What holds throughout, and what the unsafe expressions below rely on: `base` is nil and `capacity` 0, or `base` is this queue's
/// own memory of `capacity` bytes; `0 <= head <= tail <= capacity`; the bytes in `head..<tail` have been written.
@usableFromInline @safe package struct ByteQueue: ~Copyable {
  @usableFromInline var base: UnsafeMutablePointer<UInt8>?
  @usableFromInline var capacity: Int
  @usableFromInline var head: Int
  @usableFromInline var tail: Int

  @inlinable package init() {
    unsafe base = nil
    capacity = 0
    head = 0
    tail = 0
  }

  // Its own memory, and nobody can look at the queue any more.
  deinit { unsafe base?.deallocate() }

  /// Bytes that can be read, from `readable`'s first.
  @inlinable package var count: Int { tail &- head }
  @inlinable package var isEmpty: Bool { tail == head }
  /// Bytes that can be appended without moving or growing.
  @inlinable package var room: Int { capacity &- tail }
  /// Bytes of memory held, used or not.
  @inlinable package var allocated: Int { capacity }

  /// What is in the queue. As long as somebody has it, the queue cannot be changed.
  @inlinable package var span: Span<UInt8> {
    @_lifetime(borrow self)
    @inline(__always)
    get {
      // `readable` is valid until the queue is changed, which it cannot be while it is borrowed.
      unsafe _overrideLifetime(Span(_unsafeElements: readable), borrowing: self)
    }
  }

  /// What is in the queue. Valid until the next mutation.
  @inlinable @unsafe package var readable: UnsafeBufferPointer<UInt8> {
    guard let base = unsafe base else { return unsafe UnsafeBufferPointer(start: nil, count: 0) }
    // `head..<tail` is in the memory, and written.
    return unsafe UnsafeBufferPointer(start: base + head, count: count)
  }

  /// The first byte of what is in the queue. Valid until the next mutation; the queue must not be empty.
  @inlinable @unsafe package var start: UnsafeMutablePointer<UInt8> { unsafe base.unsafelyUnwrapped + head }

  /// Room behind the last byte, at least `minimum` bytes of it. Valid until the next mutation.
  @inlinable @unsafe package mutating func reserve(_ minimum: Int) -> UnsafeMutableBufferPointer<UInt8> {
    if capacity &- tail < minimum { makeRoom(minimum) }
    // `tail..<capacity` is in the memory. Without any, asked for none: an empty buffer.
    guard let base = unsafe base else { return unsafe UnsafeMutableBufferPointer(start: nil, count: 0) }
    return unsafe UnsafeMutableBufferPointer(start: base + tail, count: capacity &- tail)
  }

  /// Says that `count` bytes were written into what `reserve` returned. That they were is the caller's word.
  @inlinable package mutating func produced(_ count: Int) {
    precondition(count >= 0 && count <= capacity &- tail)
    tail &+= count
  }

  /// Drops `count` bytes at the front.
  @inlinable package mutating func consume(_ count: Int) {
    precondition(count >= 0 && count <= tail &- head)
    head &+= count
    if head == tail {
      head = 0
      tail = 0
    }
  }

  @inlinable package mutating func append(_ bytes: Span<UInt8>) {
    // Read while it is borrowed. It is no part of this queue: that could not be changed then.
    unsafe bytes.withUnsafeBufferPointer { unsafe append($0) }
  }

  /// Appends both, one behind the other.
  package mutating func append(_ first: Span<UInt8>, _ second: Span<UInt8>) {
    // As for one.
    unsafe first.withUnsafeBufferPointer { first in
      unsafe second.withUnsafeBufferPointer { second in unsafe append(first, second) }
    }
  }

  /// Appends both, one behind the other.
  package mutating func append(_ text: StaticString, _ rest: Span<UInt8>) { append(text.bytes, rest) }

  /// Appends `name: value` and a line's end (RFC 9112 section 5): room is made once for all four.
  package mutating func append(field name: Span<UInt8>, _ value: Span<UInt8>) {
    // As for one; `reserve` gives as many bytes as it is asked for, and each store below is within them.
    unsafe name.withUnsafeBufferPointer { name in
      unsafe value.withUnsafeBufferPointer { value in
        let count = name.count &+ value.count &+ 4
        let room = unsafe UnsafeMutableRawPointer(reserve(count).baseAddress.unsafelyUnwrapped)
        if let source = name.baseAddress { unsafe memcpy(room, source, name.count) }
        unsafe room.storeBytes(of: UInt16(0x203a).littleEndian, toByteOffset: name.count, as: UInt16.self)
        if let source = value.baseAddress { unsafe memcpy(room + (name.count &+ 2), source, value.count) }
        unsafe room.storeBytes(of: UInt16(0x0a0d).littleEndian, toByteOffset: count &- 2, as: UInt16.self)
        tail &+= count
      }
    }
  }

  @inlinable package mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard bytes.count > 0, let source = bytes.baseAddress else { return }
    // `reserve` gives as many bytes as it is asked for, so it gives memory; none of it is the caller's.
    let room = unsafe reserve(bytes.count)
    unsafe memcpy(room.baseAddress.unsafelyUnwrapped, source, bytes.count)
    tail &+= bytes.count
  }

  /// Appends both, one behind the other.
  package mutating func append(_ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>) {
    // Room for both, of which none is the caller's.
    let room = unsafe reserve(first.count &+ second.count)
    guard let place = room.baseAddress else { return }
    if let source = first.baseAddress { unsafe memcpy(place, source, first.count) }
    if let source = second.baseAddress { unsafe memcpy(place + first.count, source, second.count) }
    tail &+= first.count &+ second.count
  }

  @inlinable package mutating func append(_ source: UnsafePointer<UInt8>, _ count: Int) {
    // That `count` bytes are there is the caller's word.
    unsafe append(UnsafeBufferPointer(start: source, count: count))
  }

  @inlinable package mutating func append(_ text: StaticString) { append(text.bytes) }

  /// Appends `text` with A–Z in lower case.
  package mutating func append(lowering text: Span<UInt8>) {
    // Read while it is borrowed.
    unsafe text.withUnsafeBufferPointer { unsafe append(lowering: $0) }
  }

  /// Appends `text` with A–Z in lower case.
  package mutating func append(lowering text: UnsafeBufferPointer<UInt8>) {
    unsafe append(lowering: text, then: UnsafeBufferPointer(start: nil, count: 0))
  }

  /// Appends `text` with A–Z in lower case, and `rest` as it is: room is made once for both.
  package mutating func append(lowering text: UnsafeBufferPointer<UInt8>, then rest: UnsafeBufferPointer<UInt8>) {
    guard text.count &+ rest.count > 0 else { return }
    // `reserve` gives as many bytes as it is asked for; the loads and stores below are at the same places of both.
    let source = UnsafeRawBufferPointer(text)
    let room = unsafe UnsafeMutableRawPointer(reserve(text.count &+ rest.count).baseAddress.unsafelyUnwrapped)
    if let value = rest.baseAddress { unsafe memcpy(room + text.count, value, rest.count) }
    if source.count >= 8 {
      // The last eight may have been lowered in part already, which changes nothing.
      let last = source.count &- 8
      var index = 0
      while index < last {
        // Eight bytes from `index` on are there, since they are from `last` on.
        let word = unsafe EightBytes.lower(source.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        unsafe room.storeBytes(of: word, toByteOffset: index, as: UInt64.self)
        index &+= 8
      }
      let word = unsafe EightBytes.lower(source.loadUnaligned(fromByteOffset: last, as: UInt64.self))
      unsafe room.storeBytes(of: word, toByteOffset: last, as: UInt64.self)
    } else {
      for index in 0..<source.count {
        unsafe room.storeBytes(of: ASCII.lower(source[index]), toByteOffset: index, as: UInt8.self)
      }
    }
    tail &+= text.count &+ rest.count
  }

  @inlinable package mutating func append(_ byte: UInt8) {
    if capacity == tail { makeRoom(1) }
    // There is memory behind `tail` now.
    unsafe base.unsafelyUnwrapped[tail] = byte
    tail &+= 1
  }

  @inlinable package mutating func append(_ bytes: [UInt8]) { append(bytes.span) }

  /// Appends `count` bytes, which `write` is to fill in.
  @inlinable @inline(__always)
  package mutating func append(count: Int, _ write: (inout MutableSpan<UInt8>) -> Void) {
    precondition(count >= 0)
    // As many bytes as were asked for, nobody else's while the queue is borrowed to be changed. What `write` leaves out is
    // zero, not what was there before.
    let room = unsafe UnsafeMutableBufferPointer(rebasing: reserve(count)[..<count])
    unsafe room.initialize(repeating: 0)
    var span = unsafe room.mutableSpan
    write(&span)
    tail &+= count
  }

  /// Appends `value` in decimal, without leading zeros.
  package mutating func append(decimal value: UInt64) {
    // 20 digits are the most that 64 bits have.
    let room = unsafe reserve(20)
    var digits = 1
    var rest = value
    while rest >= 10 {
      rest /= 10
      digits &+= 1
    }
    rest = value
    var index = digits
    while index > 0 {
      index &-= 1
      unsafe room[index] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    tail &+= digits
  }

  /// Appends `value` in lower-case hexadecimal, without leading zeros.
  package mutating func append(hexadecimal value: UInt64) {
    let digits = max(1, (64 &- value.leadingZeroBitCount &+ 3) / 4)
    // `digits` is 16 at most.
    let room = unsafe reserve(16)
    var index = 0
    while index < digits {
      let nibble = UInt8(truncatingIfNeeded: (value >> UInt64(4 &* (digits &- 1 &- index))) & 15)
      unsafe room[index] = nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
      index &+= 1
    }
    tail &+= digits
  }

  /// Empties the queue and keeps its memory.
  @inlinable package mutating func removeAll() {
    head = 0
    tail = 0
  }

  /// Empties the queue and gives its memory back.
  package mutating func release() {
    // Its own memory, and nobody looks at it: the queue is borrowed to be changed.
    unsafe base?.deallocate()
    unsafe base = nil
    capacity = 0
    head = 0
    tail = 0
  }

  /// Moves what is there into so much memory of its own, and gives the old back. It is as much as there is, at least.
  mutating func move(to size: Int) {
    precondition(size >= count && size > 0)
    // At least as large as what is moved; the old memory is freed once, when nothing refers to it any more.
    let place = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
    let used = count
    if let base = unsafe base {
      unsafe memcpy(place, base + head, used)
      unsafe base.deallocate()
    }
    unsafe base = place
    capacity = size
    head = 0
    tail = used
  }

  /// Slow path of `reserve`: moves what is there to the front, or doubles the memory until it is enough (4 KiB at least).
  @usableFromInline mutating func makeRoom(_ minimum: Int) {
    let used = count
    if let base = unsafe base, capacity &- used >= minimum, head >= used {
      // `head..<tail` is in the memory, and so is `0..<used`: they do not meet.
      unsafe memcpy(base, base + head, used)
    } else if let base = unsafe base, capacity &- used >= minimum, head > 0 {
      // The same, and here they may.
      unsafe memmove(base, base + head, used)
    } else {
      var size = max(4096, capacity)
      while size - used < minimum { size *= 2 }
      return move(to: size)
    }
    head = 0
    tail = used
  }
}
