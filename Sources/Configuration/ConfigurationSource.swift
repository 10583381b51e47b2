import Foundation

/// A file's name and content, before anything is known about it.
package struct ConfigurationSource: Sendable {
  /// As diagnostics show it; paths inside are relative to its directory.
  package let name: String
  package let bytes: [UInt8]

  package init(name: String, bytes: [UInt8]) {
    self.name = name
    self.bytes = bytes
  }

  /// Larger files are refused unread. 10,000 routes written at length take 5 MiB.
  static let maximumBytes = 16 << 20

  /// `name` without its last component; `.` when it has one only.
  var directory: String {
    guard let slash = name.lastIndex(of: "/") else { return "." }
    return slash == name.startIndex ? "/" : String(name[..<slash])
  }

  /// The files that `path` names: itself, or every `*.yaml` and `*.yml` in it by name.
  static func read(path: String, _ collector: DiagnosticCollector) -> [ConfigurationSource] {
    let place = SourceLocation(file: path, line: 1, column: 1)
    guard FileManager.default.fileExists(atPath: path) else {
      collector.report(place, "there is no such file or directory")
      return []
    }
    // Only a directory, or a link to one, has an entry for itself.
    guard FileManager.default.fileExists(atPath: path + "/.") else {
      return [readFile(path, at: path, collector)].compactMap { $0 }
    }
    let directory = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    // Whoever replaces the files may remove the old ones while they are read: then the new ones are read instead.
    for attempt in 1...attempts {
      let pinned = PinnedDirectory(directory)
      let isLast = attempt == attempts
      let trial = isLast ? collector : DiagnosticCollector()
      let sources = read(pinned, directory, place, trial)
      if isLast || trial.isEmpty { return sources }
      if pinned == PinnedDirectory(directory) { return read(pinned, directory, place, collector) }
    }
    return []
  }

  private static let attempts = 5

  private static func read(
    _ pinned: PinnedDirectory, _ directory: String, _ place: SourceLocation, _ collector: DiagnosticCollector
  ) -> [ConfigurationSource] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: pinned.path) else {
      collector.report(place, "the directory cannot be read")
      return []
    }
    // Hidden files are left out: editors keep their copies there.
    let chosen = names.filter { ($0.hasSuffix(".yaml") || $0.hasSuffix(".yml")) && !$0.hasPrefix(".") }.sorted()
    if chosen.isEmpty { collector.report(place, "the directory holds no `*.yaml` file") }
    return chosen.compactMap { readFile(directory == "/" ? "/\($0)" : "\(directory)/\($0)", at: pinned.place(of: $0), collector) }
  }

  /// - Parameters:
  ///   - path: what the operator calls it.
  ///   - actual: where it is read.
  private static func readFile(_ path: String, at actual: String, _ collector: DiagnosticCollector) -> ConfigurationSource? {
    let place = SourceLocation(file: path, line: 1, column: 1)
    guard let handle = FileHandle(forReadingAtPath: actual), let data = try? handle.read(upToCount: maximumBytes + 1) ?? Data()
    else {
      collector.report(place, "the file cannot be read")
      return nil
    }
    return ConfigurationSource(name: path, bytes: Array(data))
  }
}
