import Glibc
import Telemetry

extension ProcessStatistics {
  /// Asks the kernel for them all.
  package static func current() -> ProcessStatistics {
    var statistics = ProcessStatistics()
    var usage = rusage()
    if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
      statistics.cpuSeconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
    let pageSize = UInt64(max(0, sysconf(Int32(_SC_PAGESIZE))))
    let pages = fields(contents("/proc/self/statm"))
    if pages.count >= 2 {
      statistics.virtualBytes = pages[0] &* pageSize
      statistics.residentBytes = pages[1] &* pageSize
    }
    statistics.openFileDescriptors = countDescriptors()
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
      statistics.maximumFileDescriptors = UInt64(limit.rlim_cur)
    }
    statistics.startTime = beganAt
    return statistics
  }

  private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

  private static func countDescriptors() -> UInt64 {
    guard let directory = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(directory) }
    var count: UInt64 = 0
    while let entry = readdir(directory) {
      // Every entry but `.` and `..` is a number.
      if entry.pointee.d_name.0 != 0x2e { count += 1 }
    }
    // One of them is the directory itself.
    return count > 0 ? count - 1 : 0
  }

  /// Field 22 of /proc/self/stat, in clock ticks since boot, and `btime` of /proc/stat. It does not change, so it is read once.
  private static let beganAt: Double = {
    let stat = contents("/proc/self/stat")
    let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
    // Field 2, the command, may hold spaces and parentheses: count from its end. What follows is field 3.
    guard let end = stat.lastIndex(of: 0x29), ticksPerSecond > 0 else { return 0 }
    let rest = stat[(end + 1)...].split(separator: 0x20)
    guard rest.count > 19, let ticks = number(rest[19]) else { return 0 }
    let marker = Array("btime ".utf8)
    for line in contents("/proc/stat").split(separator: 0x0a) where line.starts(with: marker) {
      guard let boot = number(line.dropFirst(marker.count)) else { return 0 }
      return Double(boot) + Double(ticks) / ticksPerSecond
    }
    return 0
  }()

  private static func fields(_ bytes: [UInt8]) -> [UInt64] {
    bytes.split(whereSeparator: { $0 == 0x20 || $0 == 0x0a }).compactMap { number($0) }
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> UInt64? { UInt64(String(decoding: digits, as: UTF8.self)) }

  private static func contents(_ path: String) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while bytes.count < 1 << 20 {
      let count = read(file, &chunk, chunk.count)
      if count <= 0 { break }
      bytes.append(contentsOf: chunk[0..<count])
    }
    return bytes
  }
}
