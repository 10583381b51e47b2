import Bytes

/// One field line: where its name and value stand in the head's bytes, and which field it is.
package struct HeaderField: Sendable {
  package var name: ByteRange
  /// The value without leading and trailing white space.
  package var value: ByteRange
  package var id: FieldName

  @inlinable package init(name: ByteRange, value: ByteRange, id: FieldName) {
    self.name = name
    self.value = value
    self.id = id
  }
}

/// The field lines of one head, in the order they came, up to a fixed number of them.
///
/// Allocated once and used again for request after request: `append` writes into memory that is there.
package struct HeaderBlock: ~Copyable {
  package let capacity: Int
  package private(set) var count: Int
  private let storage: UnsafeMutablePointer<HeaderField>

  /// - Parameter capacity: the most fields a head may have; `append` refuses the next.
  package init(capacity: Int) {
    self.capacity = capacity
    count = 0
    storage = .allocate(capacity: capacity)
  }

  deinit { storage.deallocate() }

  /// False when the block is full: the head is then refused as `headers_too_large`.
  package mutating func append(_ field: HeaderField) -> Bool {
    guard count < capacity else { return false }
    (storage + count).initialize(to: field)
    count &+= 1
    return true
  }

  package subscript(index: Int) -> HeaderField {
    precondition(index >= 0 && index < count)
    return storage[index]
  }

  /// The index of the first field that is `id`, from `start` on.
  package func first(_ id: FieldName, from start: Int = 0) -> Int? {
    var index = start
    while index < count {
      if storage[index].id == id { return index }
      index &+= 1
    }
    return nil
  }

  package mutating func removeAll() { count = 0 }
}
