import Bytes

/// One field line: where its name and value stand in the head's bytes, and which field it is.
@usableFromInline package struct HeaderField: Sendable {
  @usableFromInline package var name: ByteRange
  /// The value without leading and trailing white space.
  @usableFromInline package var value: ByteRange
  @usableFromInline package var id: FieldName

  @inlinable package init(name: ByteRange, value: ByteRange, id: FieldName) {
    self.name = name
    self.value = value
    self.id = id
  }
}

/// The field lines of one head, in the order they came, up to a fixed number of them.
///
/// Allocated once and used again for request after request: `append` writes into memory that is there.
@usableFromInline package struct HeaderBlock: ~Copyable {
  @usableFromInline package let capacity: Int
  @usableFromInline package internal(set) var count: Int
  @usableFromInline let storage: UnsafeMutablePointer<HeaderField>

  /// - Parameter capacity: the most fields a head may have; `append` refuses the next.
  package init(capacity: Int) {
    self.capacity = capacity
    count = 0
    storage = .allocate(capacity: capacity)
  }

  deinit { storage.deallocate() }

  /// False when the block is full: the head is then refused as `headers_too_large`.
  @inlinable package mutating func append(_ field: HeaderField) -> Bool {
    guard count < capacity else { return false }
    (storage + count).initialize(to: field)
    count &+= 1
    return true
  }

  @inlinable package subscript(index: Int) -> HeaderField {
    precondition(index >= 0 && index < count)
    return storage[index]
  }

  /// The index of the first field that is `id`, from `start` on.
  @inlinable package func first(_ id: FieldName, from start: Int = 0) -> Int? {
    var index = start
    while index < count {
      if storage[index].id.rawValue == id.rawValue { return index }
      index &+= 1
    }
    return nil
  }

  @inlinable package mutating func removeAll() { count = 0 }
}
