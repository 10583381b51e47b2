extension StaticString {
  /// The text in UTF-8.
  @inlinable @inline(__always)
  package var bytes: Span<UInt8> {
    @_lifetime(immortal)
    get {
      // A literal of text (one that is a number, which `utf8Start` refuses, is written nowhere) stands in the program itself: as
      // many bytes as it says, for as long as the process lives.
      let text = unsafe UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
      return unsafe _overrideLifetime(Span(_unsafeElements: text), borrowing: ())
    }
  }
}
