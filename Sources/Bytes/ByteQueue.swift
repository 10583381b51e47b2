import CLinux

/// Bytes in at the back, out at the front, in one contiguous piece of memory.
///
/// The memory comes from `malloc` when the first byte is put in and goes back with `release()`; an idle connection
/// holds none. Offsets are checked: a queue never hands out a pointer past what it holds.
@usableFromInline package struct ByteQueue: ~Copyable {
  @usableFromInline var base: UnsafeMutablePointer<UInt8>?
  @usableFromInline var capacity: Int
  @usableFromInline var head: Int
  @usableFromInline var tail: Int

  @inlinable package init() {
    base = nil
    capacity = 0
    head = 0
    tail = 0
  }

  deinit { base?.deallocate() }

  /// Bytes that can be read, from `readable`'s first.
  @inlinable package var count: Int { tail &- head }
  @inlinable package var isEmpty: Bool { tail == head }
  /// Bytes that can be appended without moving or growing.
  @inlinable package var room: Int { capacity &- tail }
  /// Bytes of memory held, used or not.
  @inlinable package var allocated: Int { capacity }

  /// What is in the queue. Valid until the next mutation.
  @inlinable package var readable: UnsafeBufferPointer<UInt8> {
    guard let base else { return UnsafeBufferPointer(start: nil, count: 0) }
    return UnsafeBufferPointer(start: base + head, count: count)
  }

  /// The first byte of what is in the queue. Valid until the next mutation; the queue must not be empty.
  @inlinable package var start: UnsafeMutablePointer<UInt8> { base.unsafelyUnwrapped + head }

  /// Room behind the last byte, at least `minimum` bytes of it. Valid until the next mutation.
  @inlinable package mutating func reserve(_ minimum: Int) -> UnsafeMutableBufferPointer<UInt8> {
    if capacity &- tail < minimum { makeRoom(minimum) }
    return UnsafeMutableBufferPointer(start: base.unsafelyUnwrapped + tail, count: capacity &- tail)
  }

  /// Says that `count` bytes were written into what `reserve` returned.
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

  @inlinable package mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard bytes.count > 0, let source = bytes.baseAddress else { return }
    let room = reserve(bytes.count)
    memcpy(room.baseAddress.unsafelyUnwrapped, source, bytes.count)
    tail &+= bytes.count
  }

  /// Appends both, one behind the other.
  package mutating func append(_ first: UnsafeBufferPointer<UInt8>, _ second: UnsafeBufferPointer<UInt8>) {
    let room = reserve(first.count &+ second.count)
    guard let place = room.baseAddress else { return }
    if let source = first.baseAddress { memcpy(place, source, first.count) }
    if let source = second.baseAddress { memcpy(place + first.count, source, second.count) }
    tail &+= first.count &+ second.count
  }

  @inlinable package mutating func append(_ source: UnsafePointer<UInt8>, _ count: Int) {
    append(UnsafeBufferPointer(start: source, count: count))
  }

  @inlinable package mutating func append(_ text: StaticString) {
    append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Appends `text` with A–Z in lower case.
  package mutating func append(lowering text: UnsafeBufferPointer<UInt8>) {
    guard let source = UnsafeRawPointer(text.baseAddress), text.count > 0 else { return }
    let room = UnsafeMutableRawPointer(reserve(text.count).baseAddress.unsafelyUnwrapped)
    if text.count >= 8 {
      // The last eight may have been lowered in part already, which changes nothing.
      let last = text.count &- 8
      var index = 0
      while index < last {
        room.storeBytes(
          of: EightBytes.lower(source.loadUnaligned(fromByteOffset: index, as: UInt64.self)), toByteOffset: index, as: UInt64.self
        )
        index &+= 8
      }
      room.storeBytes(
        of: EightBytes.lower(source.loadUnaligned(fromByteOffset: last, as: UInt64.self)), toByteOffset: last, as: UInt64.self)
    } else {
      for index in 0..<text.count {
        room.storeBytes(of: ASCII.lower(text[index]), toByteOffset: index, as: UInt8.self)
      }
    }
    tail &+= text.count
  }

  @inlinable package mutating func append(_ byte: UInt8) {
    if capacity == tail { makeRoom(1) }
    base.unsafelyUnwrapped[tail] = byte
    tail &+= 1
  }

  @inlinable package mutating func append(_ bytes: [UInt8]) {
    bytes.withUnsafeBufferPointer { append($0) }
  }

  /// Appends `value` in decimal, without leading zeros.
  package mutating func append(decimal value: UInt64) {
    let room = reserve(20)
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
      room[index] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    tail &+= digits
  }

  /// Appends `value` in lower-case hexadecimal, without leading zeros.
  package mutating func append(hexadecimal value: UInt64) {
    let digits = max(1, (64 &- value.leadingZeroBitCount &+ 3) / 4)
    let room = reserve(16)
    var index = 0
    while index < digits {
      let nibble = UInt8(truncatingIfNeeded: (value >> UInt64(4 &* (digits &- 1 &- index))) & 15)
      room[index] = nibble < 10 ? 0x30 &+ nibble : 0x57 &+ nibble
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
    base?.deallocate()
    base = nil
    capacity = 0
    head = 0
    tail = 0
  }

  /// Slow path of `reserve`: moves what is there to the front, or grows to the next power of two (4 KiB at least).
  @usableFromInline mutating func makeRoom(_ minimum: Int) {
    let used = count
    if let base, capacity &- used >= minimum, head >= used {
      memcpy(base, base + head, used)
    } else if let base, capacity &- used >= minimum, head > 0 {
      memmove(base, base + head, used)
    } else {
      var size = max(4096, capacity)
      while size - used < minimum { size *= 2 }
      let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: size)
      if let base {
        memcpy(larger, base + head, used)
        base.deallocate()
      }
      base = larger
      capacity = size
    }
    head = 0
    tail = used
  }
}
