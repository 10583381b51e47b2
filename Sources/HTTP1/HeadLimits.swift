/// Bounds on one head. Passing one is `headersTooLarge` or, for the target, `uriTooLong`.
package struct HeadLimits: Equatable, Sendable {
  /// Bytes of the whole head, from the first byte to the empty line, both included.
  package var headerBytes: Int
  /// Field lines. The head's block of fields may hold fewer, and then that counts.
  package var headerCount: Int
  /// Bytes of the request target.
  package var uriBytes: Int

  package init(headerBytes: Int = 32 << 10, headerCount: Int = 100, uriBytes: Int = 8 << 10) {
    self.headerBytes = headerBytes
    self.headerCount = headerCount
    self.uriBytes = uriBytes
  }
}
