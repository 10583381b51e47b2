/// Elements in the order they came, up to a number that was fixed when the list was made.
///
/// Its memory is allocated once and used again and again: `append` writes into what is there.
@usableFromInline @safe package struct FixedList<Element: BitwiseCopyable>: ~Copyable {
  /// The most elements there may be.
  @usableFromInline package let capacity: Int
  @usableFromInline package internal(set) var count: Int
  // Room for `capacity` elements, of which the first `count` have been written. Nobody else has it.
  @usableFromInline let storage: UnsafeMutablePointer<Element>

  package init(capacity: Int) {
    self.capacity = max(0, capacity)
    count = 0
    unsafe storage = .allocate(capacity: self.capacity)
  }

  // Its own memory, and nobody can look at the list any more. The elements need no end.
  deinit { unsafe storage.deallocate() }

  /// False when the list is full.
  @inlinable package mutating func append(_ element: Element) -> Bool {
    guard count < capacity else { return false }
    // Checked above.
    unsafe (storage + count).initialize(to: element)
    count &+= 1
    return true
  }

  @inlinable package subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count)
      // Checked above: it has been written.
      return unsafe storage[index]
    }
    set {
      precondition(index >= 0 && index < count)
      // Checked above: it is there.
      unsafe storage[index] = newValue
    }
  }

  @inlinable package mutating func removeAll() { count = 0 }
}
