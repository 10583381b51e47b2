import CLinux
import Foundation

/// Gives the memory of code back that only starting and reloading need.
///
/// Reading a configuration runs through much of Foundation and of Swift's runtime, whose pages then count as the process's
/// for good: 14 of 28 MiB at rest. Pages of code are never written, so the kernel can drop them and map those still needed
/// again from its cache, a microsecond each.
enum ColdPages {
  static func release() {
    guard let maps = try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8) else { return }
    for line in maps.split(separator: "\n") {
      let fields = line.split(separator: " ", omittingEmptySubsequences: true)
      // Executable and private means code; read-only data may hold relocations, which exist nowhere but in memory.
      guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { continue }
      let ends = fields[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
      guard ends.count == 2, ends[1] > ends[0] else { continue }
      gh_forget_pages(ends[0], ends[1] - ends[0])
    }
  }
}
