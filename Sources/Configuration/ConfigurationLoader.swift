import Cryptography
import Routing
import Yams

/// Reads a configuration, whole and in one pass: either everything is right or every error is listed.
package enum ConfigurationLoader {
  /// - Parameters:
  ///   - path: a directory, of which every `*.yaml` and `*.yml` is read in the order of names, or one file.
  ///   - environment: what `${NAME}` stands for.
  ///   - workers: how many there will be, or are.
  package static func load(path: String, environment: [String: String], workers: DoubtfulPairs.Workers = .written(processors: 1)) -> ConfigurationResult {
    let collector = DiagnosticCollector()
    let sources = ConfigurationSource.read(path: path, collector)
    return load(sources, SourceLocation(file: path, line: 1, column: 1), environment, workers, collector)
  }

  /// The same for files that are already in memory, in the order given.
  package static func load(
    files: [ConfigurationSource], environment: [String: String], workers: DoubtfulPairs.Workers = .written(processors: 1)
  ) -> ConfigurationResult {
    let start = SourceLocation(file: files.first?.name ?? "configuration", line: 1, column: 1)
    return load(files, start, environment, workers, DiagnosticCollector())
  }

  private static func load(
    _ sources: [ConfigurationSource], _ start: SourceLocation, _ environment: [String: String],
    _ workers: DoubtfulPairs.Workers, _ collector: DiagnosticCollector
  ) -> ConfigurationResult {
    for source in sources { collector.register(file: source.name, bytes: source.bytes.count) }
    var roots: [(node: Node, file: Cursor.File)] = []
    for source in sources {
      guard let root = YAMLDocument.parse(source, collector) else { continue }
      roots.append((root, Cursor.File(source, environment, collector)))
    }
    // What a broken file would have defined is unknown: complaints that it is missing elsewhere would mislead.
    guard collector.isEmpty else { return .rejected(collector.sorted()) }
    var assembler = ConfigurationAssembler(collector)
    for root in roots { assembler.add(root.node, root.file) }
    let configuration = assembler.assemble(start, workers: workers)
    guard let table = compile(configuration, collector), collector.isEmpty else { return .rejected(collector.sorted()) }
    return .loaded(
      LoadedConfiguration(
        configuration: configuration, routes: table,
        files: sources.map { LoadedFile(path: $0.name, sha256: Digest.hexadecimal(Digest.sha256($0.bytes))) },
        sha256: Digest.hexadecimal(Digest.sha256(sources.flatMap(\.bytes))), warnings: collector.warnings()))
  }

  /// Routes whose other values are wrong are not among those that are compared.
  private static func compile(_ configuration: GatewayConfiguration, _ collector: DiagnosticCollector) -> RouteTable? {
    var builder = RouteTableBuilder()
    for (index, route) in configuration.routes.enumerated() {
      do throws(PatternError) {
        try builder.add(route.match, index: index)
      } catch {
        collector.report(route.location, error.message)
      }
    }
    for tie in builder.ties() {
      let (first, second) = (configuration.routes[tie.first], configuration.routes[tie.second])
      collector.report(
        second.location, "the route `\(second.name.value)` ties with `\(first.name.value)` at \(first.location): \(tie.reason)")
    }
    for gap in builder.fallThroughs(isPublic: { configuration.routes[$0].providers.isEmpty }) {
      let (guarded, open) = (configuration.routes[gap.guarded], configuration.routes[gap.open])
      collector.warn(
        open.location,
        "the public route `\(open.name.value)` takes every method of `\(gap.pattern)` that `\(guarded.name.value)` at "
          + "\(guarded.location) does not name: write its `methods`, or a route with authentication for the others")
    }
    return collector.isEmpty ? builder.build() : nil
  }
}
