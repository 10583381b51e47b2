import Bytes

/// One field line: where its name and value stand in the head's bytes, and which field it is.
@usableFromInline package struct HeaderField: BitwiseCopyable, Sendable {
  @usableFromInline package var name: ByteRange
  /// The value without leading and trailing white space.
  @usableFromInline package var value: ByteRange
  @usableFromInline package var id: FieldName
  /// A `Connection` field of the head nominates it: it ends here.
  @usableFromInline package internal(set) var isNominated = false

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
  @usableFromInline var fields: FixedList<HeaderField>

  /// - Parameter capacity: the most fields a head may have; `append` refuses the next.
  package init(capacity: Int) {
    fields = FixedList(capacity: capacity)
  }

  @inlinable package var capacity: Int { fields.capacity }
  @inlinable package var count: Int { fields.count }

  /// False when the block is full: the head is then refused as `headers_too_large`.
  @inlinable package mutating func append(_ field: HeaderField) -> Bool { fields.append(field) }

  @inlinable package subscript(index: Int) -> HeaderField { fields[index] }

  mutating func nominate(_ index: Int) {
    var field = fields[index]
    field.isNominated = true
    fields[index] = field
  }

  /// The index of the first field that is `id`, from `start` on.
  @inlinable package func first(_ id: FieldName, from start: Int = 0) -> Int? {
    var index = start
    while index < fields.count {
      if fields[index].id.rawValue == id.rawValue { return index }
      index &+= 1
    }
    return nil
  }

  @inlinable package mutating func removeAll() { fields.removeAll() }
}
