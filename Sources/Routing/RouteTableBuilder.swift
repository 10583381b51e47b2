import Bytes
import HTTP

/// Collects routes, finds those that tie, and compiles the table.
package struct RouteTableBuilder {
  /// A route at one pattern, parsed. `order` is that of adding.
  struct Rule {
    var route: Int
    var methods: MethodSet
    /// Names in lower case.
    var headers: [HeaderMatch]

    /// More headers before fewer; a value before mere presence.
    var rank: (Int, Int, Int) { (methods.isNamed ? 1 : 0, headers.count, headers.count { !$0.isPresence }) }

    /// Whether a request could satisfy both. A field may be repeated, so two different values exclude each other only by
    /// what clients usually send; they are taken to, or no header could choose between two backends.
    func overlaps(_ other: Rule) -> Bool {
      guard methods.intersects(other.methods) else { return false }
      for header in headers where !header.isPresence {
        for rival in other.headers where rival.name == header.name && !rival.isPresence && rival.value != header.value {
          return false
        }
      }
      return true
    }
  }

  private(set) var rules: [HostPattern: [RoutePattern: [Rule]]] = [:]
  /// Methods as they are named, by their name in upper case.
  private var spellings: [[UInt8]: [UInt8]] = [:]
  /// Names of fields in lower case, by what their spellings have in common.
  private var fieldNames: [[UInt8]: String] = [:]
  private let seed: UInt64

  /// - Parameter seed: of the table's hashes.
  package init(seed: UInt64 = .random(in: .min ... .max)) { self.seed = seed }

  /// Adds a route; `index` is what a match gives back.
  ///
  /// - Throws: for a pattern that cannot be compiled.
  package mutating func add(_ match: RouteMatch, index: Int) throws(PatternError) {
    let pattern = try RoutePattern(match.path)
    let methods = try MethodSet(match.methods)
    for token in methods.tokens {
      let known = spellings[Self.upperCase(token), default: token]
      guard known == token else {
        let names = [token, known].map { "`\(String(decoding: $0, as: UTF8.self))`" }
        throw PatternError("\(names[0]) is \(names[1]) of another route to whoever does not look at case: write one of them")
      }
      spellings[Self.upperCase(token)] = token
    }
    var headers: [HeaderMatch] = []
    for header in match.headers {
      let name = String(decoding: header.name.utf8.map(ASCII.lower), as: UTF8.self)
      try Self.check(header, isRepeated: headers.contains { FieldName.canonical($0.name.utf8) == FieldName.canonical(name.utf8) })
      let known = fieldNames[FieldName.canonical(name.utf8), default: name]
      guard known == name else {
        throw PatternError("`\(header.name)` is `\(known)` of another route to many backends: write one of them")
      }
      fieldNames[FieldName.canonical(name.utf8)] = name
      headers.append(HeaderMatch(name: name, value: header.value))
    }
    var hosts: Set<HostPattern> = match.hosts.isEmpty ? [.any] : []
    for host in match.hosts { hosts.insert(try HostPattern(host)) }
    for host in hosts {
      rules[host, default: [:]][pattern, default: []].append(Rule(route: index, methods: methods, headers: headers))
    }
  }

  private static func upperCase(_ token: [UInt8]) -> [UInt8] { token.map { $0 &- 0x61 < 26 ? $0 & ~0x20 : $0 } }

  /// - Throws: when no request could have the field.
  package static func check(_ header: HeaderMatch, isRepeated: Bool = false) throws(PatternError) {
    guard !header.name.isEmpty, header.name.utf8.allSatisfy({ ASCII.token[Int($0)] != 0 }) else {
      throw PatternError("`\(header.name)` is no field name: write a token such as `X-Version`")
    }
    if isRepeated {
      throw PatternError("the header `\(header.name)` is matched twice: names are compared without regard to case")
    }
    let value = header.value.utf8
    guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
      throw PatternError("the value for `\(header.name)` has control bytes, which no field has")
    }
    if let first = value.first, let last = value.last, [first, last].contains(where: { $0 == 0x20 || $0 == 0x09 }) {
      throw PatternError("the value for `\(header.name)` begins or ends with white space, which no field does: leave it out")
    }
  }

  /// Pairs of routes that could match one request with neither more specific, by the index of the second, then of the first.
  /// Stops after a hundred.
  package func ties() -> [RouteTie] {
    var finder = RouteTieFinder()
    for host in rules.keys.sorted(by: { $0.description < $1.description }) {
      finder.search(rules[host] ?? [:], host: host)
    }
    return finder.ties.sorted { ($0.second, $0.first) < ($1.second, $1.first) }
  }

  /// Public routes that take the methods which routes with authentication do not name. Stops after a hundred.
  ///
  /// - Parameter isPublic: whether the route of this index lets everybody in.
  package func fallThroughs(isPublic: @escaping (Int) -> Bool) -> [RouteFallThrough] {
    var finder = RouteFallThroughFinder(isPublic: isPublic)
    for host in rules.keys.sorted(by: { $0.description < $1.description }) { finder.search(rules[host] ?? [:]) }
    return finder.found
  }

  /// Compiles what was added. Ties are decided by the order of adding; a configuration with ties is refused before.
  package func build() -> RouteTable {
    var layout = RouteTableLayout(seed: seed)
    for host in rules.keys.sorted(by: { $0.description < $1.description }) {
      let root = layout.addHost(host)
      for (pattern, rules) in rules[host] ?? [:] {
        let ordered = rules.enumerated().sorted {
          $0.element.rank == $1.element.rank ? $0.offset < $1.offset : $0.element.rank > $1.element.rank
        }
        layout.add(pattern, ordered.map(\.element), root: root)
      }
    }
    layout.finish()
    return RouteTable(layout)
  }
}
