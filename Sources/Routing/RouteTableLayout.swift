import Bytes

/// The table's arrays while they grow. See `RouteTable` for what each holds.
struct RouteTableLayout {
  let seed: UInt64
  private(set) var text: [UInt8] = []
  private(set) var hosts: [RouteTable.Host] = []
  private(set) var hostSlots: [Int32] = []
  private(set) var anyHost: Int32 = -1
  private(set) var nodes: [RouteTable.Node] = []
  private(set) var edges: [RouteTable.Edge] = []
  private(set) var entries: [RouteTable.Entry] = []
  private(set) var headers: [RouteTable.Header] = []
  private(set) var tokens: [ByteRange] = []
  private(set) var methodNames: [ByteRange] = []
  private(set) var matchedNames: [RouteTable.MatchedName] = []
  private(set) var matchedHeaders: [RouteTable.Header] = []

  private var hostIndexes: [HostPattern: Int32] = [:]
  private var children: [ChildKey: Int32] = [:]
  private var interned: [[UInt8]: ByteRange] = [:]

  private struct ChildKey: Hashable {
    let parent: Int32
    let segment: [UInt8]
  }

  init(seed: UInt64) { self.seed = seed }

  /// - Returns: the root node of the host's trie.
  mutating func addHost(_ host: HostPattern) -> Int32 {
    let index = Int32(hosts.count)
    let root = addNode()
    hosts.append(RouteTable.Host(name: intern(host.name), isWildcard: host.isWildcard, root: root, next: -1))
    hostIndexes[host] = index
    if host == .any { anyHost = index }
    return root
  }

  /// Adds the rules of one pattern, the most specific first.
  mutating func add(_ pattern: RoutePattern, _ rules: [RouteTableBuilder.Rule], root: Int32) {
    var node = root
    for segment in pattern.segments {
      switch segment {
      case .literal(let bytes): node = child(of: node, bytes)
      case .parameter:
        if nodes[Int(node)].parameter < 0 {
          let added = addNode()
          nodes[Int(node)].parameter = added
        }
        node = nodes[Int(node)].parameter
      }
    }
    let start = entries.count
    for rule in rules { addEntry(rule) }
    let range = ByteRange(offset: start, count: rules.count)
    if pattern.isPrefix { nodes[Int(node)].prefix = range } else { nodes[Int(node)].exact = range }
  }

  /// Links hosts to the next less specific and builds the hash tables, at most half full.
  mutating func finish() {
    // Each text is held once, so that places tell them apart.
    let unique = Dictionary(tokens.map { ($0.start, $0) }, uniquingKeysWith: { first, _ in first })
    methodNames = unique.values.sorted { $0.start < $1.start }
    collectMatchedHeaders()
    hostSlots = Array(repeating: -1, count: Self.slots(for: hosts.count))
    for (host, index) in hostIndexes {
      hosts[Int(index)].next = nextHost(after: host)
      guard host != .any else { continue }
      let hash = host.name.reversed().reduce(seed, RouteHash.step)
      var slot = Int(truncatingIfNeeded: RouteHash.finish(hash, host.isWildcard ? 1 : 0)) & (hostSlots.count - 1)
      while hostSlots[slot] >= 0 { slot = (slot + 1) & (hostSlots.count - 1) }
      hostSlots[slot] = index
    }
    let unused = RouteTable.Edge(parent: -1, child: -1, hash: 0, segment: .empty)
    edges = Array(repeating: unused, count: Self.slots(for: children.count))
    for (key, child) in children {
      let hash = RouteHash.finish(key.segment.reduce(seed, RouteHash.step), key.parent)
      var slot = Int(truncatingIfNeeded: hash) & (edges.count - 1)
      while edges[slot].parent >= 0 { slot = (slot + 1) & (edges.count - 1) }
      edges[slot] = RouteTable.Edge(parent: key.parent, child: child, hash: hash, segment: intern(key.segment))
    }
  }

  /// What routes ask of fields, sorted by the fields' names and each thing once.
  private mutating func collectMatchedHeaders() {
    var places: Set<[Int]> = []
    let unique = headers.filter {
      places.insert([$0.name.start, $0.value.start, $0.value.length, $0.isPresence ? 1 : 0]).inserted
    }
    matchedHeaders = unique.sorted { $0.name.start < $1.name.start }
    for (index, header) in matchedHeaders.enumerated() {
      if matchedNames.last?.name == header.name {
        matchedNames[matchedNames.count - 1].headers = ByteRange(
          offset: matchedNames[matchedNames.count - 1].headers.start,
          count: matchedNames[matchedNames.count - 1].headers.length + 1)
      } else {
        matchedNames.append(RouteTable.MatchedName(name: header.name, headers: ByteRange(offset: index, count: 1)))
      }
    }
  }

  private static func slots(for count: Int) -> Int {
    var slots = 2
    while slots < count * 2 { slots *= 2 }
    return slots
  }

  /// For `a.b.c`: `*.b.c` if there is one, else `*.c`, else any host.
  private func nextHost(after host: HostPattern) -> Int32 {
    if host == .any { return -1 }
    var name = host.name[...]
    while let dot = name.firstIndex(of: 0x2e) {
      name = name[(dot + 1)...]
      if let wildcard = HostPattern(wildcardBelow: Array(name)), let index = hostIndexes[wildcard] { return index }
    }
    return anyHost
  }

  private mutating func addEntry(_ rule: RouteTableBuilder.Rule) {
    let firstToken = tokens.count
    for token in rule.methods.tokens.sorted(by: { $0.lexicographicallyPrecedes($1) }) { tokens.append(intern(token)) }
    let firstHeader = headers.count
    for header in rule.headers {
      let name = intern(Array(header.name.utf8))
      headers.append(RouteTable.Header(name: name, value: intern(Array(header.value.utf8)), isPresence: header.isPresence))
    }
    entries.append(
      RouteTable.Entry(
        route: Int32(rule.route), methods: rule.methods.mask,
        tokens: ByteRange(offset: firstToken, count: tokens.count - firstToken),
        headers: ByteRange(offset: firstHeader, count: headers.count - firstHeader)))
  }

  private mutating func child(of parent: Int32, _ segment: [UInt8]) -> Int32 {
    let key = ChildKey(parent: parent, segment: segment)
    if let child = children[key] { return child }
    let child = addNode()
    children[key] = child
    return child
  }

  private mutating func addNode() -> Int32 {
    nodes.append(RouteTable.Node())
    return Int32(nodes.count - 1)
  }

  /// Each different text is held once.
  private mutating func intern(_ bytes: [UInt8]) -> ByteRange {
    if let range = interned[bytes] { return range }
    let range = ByteRange(offset: text.count, count: bytes.count)
    text += bytes
    interned[bytes] = range
    return range
  }
}
