import Bytes
import HTTP

@testable import Routing

func makeTable(_ matches: [RouteMatch], seed: UInt64 = 7) throws -> RouteTable {
  var builder = RouteTableBuilder(seed: seed)
  for (index, match) in matches.enumerated() { try builder.add(match, index: index) }
  return builder.build()
}

extension RouteTable {
  /// - Parameter request: `METHOD HOST PATH`; the host `-` is none.
  func decide(_ request: String, _ fields: [(String, String)] = []) -> RouteDecision { decideCounting(request, fields).0 }

  /// - Parameter nominated: what a `Connection` field names.
  func decide(_ request: String, _ fields: [(String, String)], nominated: String) -> RouteDecision {
    with(request, fields + [("Connection", nominated)]) { host, path, name, block, bytes in
      match(host: host, path: path, method: method(name), methodName: name, headers: block, bytes: bytes)
    }
  }

  func decideCounting(_ request: String, _ fields: [(String, String)] = []) -> (RouteDecision, Int) {
    with(request, fields) { host, path, name, block, bytes in
      matchCountingVisits(host: host, path: path, method: method(name), methodName: name, headers: block, bytes: bytes)
    }
  }

  func allowed(_ request: String, _ fields: [(String, String)] = []) -> String {
    with(request, fields) { host, path, _, block, bytes in
      String(decoding: allow(host: host, path: path, headers: block, bytes: bytes), as: UTF8.self)
    }
  }

  private func method(_ name: Span<UInt8>) -> HTTPMethod {
    for method in HTTPMethod.allCases where method != .other && name.equals(method.token) { return method }
    return .other
  }

  private func with<Result>(
    _ request: String, _ fields: [(String, String)],
    _ body: (Span<UInt8>, Span<UInt8>, Span<UInt8>, borrowing HeaderBlock, Span<UInt8>) -> Result
  ) -> Result {
    let parts = request.split(separator: " ", maxSplits: 2).map { Array($0.utf8) }
    var bytes: [UInt8] = []
    var block = HeaderBlock(capacity: 16)
    for (name, value) in fields {
      let start = bytes.count
      bytes += Array(name.utf8) + Array(value.utf8)
      _ = block.append(
        HeaderField(
          name: ByteRange(offset: start, count: name.utf8.count),
          value: ByteRange(offset: start + name.utf8.count, count: value.utf8.count),
          id: name == "Connection" ? .connection : .other))
    }
    HopByHop.markNominated(in: &block, bytes.span)
    let host = parts[1] == [0x2d] ? [] : parts[1]
    let (name, path) = (parts[0], parts[2])
    return body(host.span, path.span, name.span, block, bytes.span)
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// The rules of `RouteTable` once more, written for shortness: every route is asked, and the candidates are sorted.
enum Naive {
  static func randomMatch(_ random: inout SplitMix) -> RouteMatch {
    let hosts = [[], [], ["a.x"], ["*.x"], ["*.a.x"], ["a.x", "b.x"]].randomElement(using: &random)!
    let segments = (0..<Int.random(in: 1...3, using: &random)).map { index in
      ["a", "b", "{p\(index)}"].randomElement(using: &random)!
    }
    let path = "/" + segments.joined(separator: "/") + (Bool.random(using: &random) ? "/**" : "")
    return RouteMatch(hosts: hosts, path: path, methods: [[], ["GET"], ["POST"]].randomElement(using: &random)!)
  }

  static func randomRequest(_ random: inout SplitMix) -> (host: String, path: String, method: String) {
    let segments = (0..<Int.random(in: 1...4, using: &random)).map { _ in ["a", "b", "c"].randomElement(using: &random)! }
    return (
      ["a.x", "b.x", "c.a.x", "x"].randomElement(using: &random)!, "/" + segments.joined(separator: "/"),
      ["GET", "POST", "PUT"].randomElement(using: &random)!
    )
  }

  static func decide(_ matches: [RouteMatch], _ host: String, _ path: String, _ method: String) -> RouteDecision {
    var candidates: [(host: Int, path: [Int], route: Int)] = []
    for (index, match) in matches.enumerated() {
      guard let path = pathRank(match.path, path) else { continue }
      let hostRank = match.hosts.isEmpty ? 0 : match.hosts.compactMap { self.hostRank($0, host) }.max()
      if let hostRank { candidates.append((hostRank, path + [match.methods.isEmpty ? 0 : 1], index)) }
    }
    guard let best = candidates.map(\.host).max() else { return .notFound }
    let allowing = candidates.filter {
      $0.host == best && (matches[$0.route].methods.isEmpty || matches[$0.route].methods.contains(method))
    }
    return allowing.max { $0.path.lexicographicallyPrecedes($1.path) }.map { .route($0.route) } ?? .methodNotAllowed
  }

  private static func hostRank(_ pattern: String, _ host: String) -> Int? {
    if pattern == host { return 1000 }
    return pattern.hasPrefix("*") && host.hasSuffix(pattern.dropFirst()) ? pattern.count : nil
  }

  /// Exact, parameters, prefix; longer; literals from the left.
  private static func pathRank(_ pattern: String, _ path: String) -> [Int]? {
    let isPrefix = pattern.hasSuffix("/**")
    let segments = (isPrefix ? pattern.dropLast(3) : pattern[...]).split(separator: "/")
    let given = path.split(separator: "/")
    guard isPrefix ? given.count >= segments.count : given.count == segments.count else { return nil }
    guard zip(segments, given).allSatisfy({ $0.hasPrefix("{") || $0 == $1 }) else { return nil }
    let literals = segments.map { $0.hasPrefix("{") ? 0 : 1 }
    return [isPrefix ? 0 : literals.contains(0) ? 1 : 2, segments.count] + literals
  }
}
