/// What the other side can make us hold or wait for.
package struct RedisLimits: Sendable, Equatable {
  /// Bytes of a message or of an entry of a snapshot. A longer one is reported and ignored.
  package var textBytes = 4 * 1024
  /// Entries of a snapshot. One with more is reported and ignored.
  package var snapshotEntries = 1_000_000
  /// Bytes of a snapshot's texts together. One with more is reported and ignored.
  package var snapshotBytes = 64 * 1024 * 1024
  /// Bytes of a reply's piece that has not come in full. More ends the connection: hiredis would collect up to 512 MiB.
  package var unparsedBytes = 1024 * 1024

  package init() {}
}
