import Glibc
import Telemetry
import Testing

@testable import Gateway

struct ProcessStatisticsTests {
  @Test func `The process's own numbers are plausible`() {
    let statistics = ProcessStatistics.current()
    #expect(statistics.cpuSeconds > 0 && statistics.cpuSeconds < 36_000)
    #expect(statistics.residentBytes > 1 << 20 && statistics.residentBytes <= statistics.virtualBytes)
    #expect(statistics.maximumFileDescriptors >= statistics.openFileDescriptors)
    #expect(statistics.openFileDescriptors >= 3)
    let age = Double(time(nil)) - statistics.startTime
    #expect(age > -5 && age < 36_000)
    let files = (0..<10).map { _ in open("/dev/null", O_RDONLY) }
    let more = ProcessStatistics.current().openFileDescriptors
    files.forEach { close($0) }
    #expect(more + 5 > statistics.openFileDescriptors + 10)
  }
}
