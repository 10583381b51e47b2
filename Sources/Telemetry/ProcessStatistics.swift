/// What the kernel says about this process, for the `process_*` metrics. Asked for when metrics are.
/// Zero is what could not be read.
package struct ProcessStatistics: Equatable, Sendable {
  /// User and system time of all threads.
  package var cpuSeconds = 0.0
  package var residentBytes: UInt64 = 0
  package var virtualBytes: UInt64 = 0
  package var openFileDescriptors: UInt64 = 0
  package var maximumFileDescriptors: UInt64 = 0
  /// Unix seconds.
  package var startTime = 0.0

  package init() {}
}
