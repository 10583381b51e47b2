import Bytes
import HTTP

extension RouteTable {
  /// The route for a request. Allocates nothing.
  ///
  /// - Parameters:
  ///   - host: the authority as sent, with whatever port, case and trailing dot; empty when there is none.
  ///   - path: the canonical path. One that does not begin with `/` (`*`) matches no route.
  ///   - method: with its token in `methodName`, which is looked at only when it is `other`.
  ///   - headers: the request's fields, ranges into `bytes`.
  package func match(
    host: Span<UInt8>, path: Span<UInt8>, method: HTTPMethod,
    methodName: Span<UInt8>, headers: borrowing HeaderBlock, bytes: Span<UInt8>
  ) -> RouteDecision {
    let text = text
    var search = RouteSearch(path: path, method: method, methodName: methodName, bytes: bytes, text: text.span)
    return match(host, headers, &search)
  }

  /// The same, and how many trie nodes were looked at.
  package func matchCountingVisits(
    host: Span<UInt8>, path: Span<UInt8>, method: HTTPMethod,
    methodName: Span<UInt8>, headers: borrowing HeaderBlock, bytes: Span<UInt8>
  ) -> (decision: RouteDecision, visits: Int) {
    let text = text
    var search = RouteSearch(path: path, method: method, methodName: methodName, bytes: bytes, text: text.span)
    return (match(host, headers, &search), search.visits)
  }

  /// The value of `Allow` (RFC 9110 section 10.2.1) for a request that got `methodNotAllowed`: the methods of its candidates.
  package func allow(
    host: Span<UInt8>, path: Span<UInt8>, headers: borrowing HeaderBlock,
    bytes: Span<UInt8>
  ) -> [UInt8] {
    // A method that no route permits makes the search look at every candidate.
    let text = text
    var search = RouteSearch(path: path, method: .other, methodName: Span(), bytes: bytes, text: text.span)
    search.allowed = MethodAccumulator()
    _ = match(host, headers, &search)
    guard let allowed = search.allowed else { return [] }
    var names: [[UInt8]] = []
    for method in HTTPMethod.allCases where method != .other && allowed.mask & MethodSet.bit(method) != 0 {
      names.append(Array(method.token.description.utf8))
    }
    let others = Set(allowed.tokens.map { Array(text[$0.start..<$0.end]) })
    names += others.sorted { $0.lexicographicallyPrecedes($1) }
    return Array(names.joined(separator: [0x2c, 0x20]))
  }

  private func match(
    _ authority: Span<UInt8>, _ headers: borrowing HeaderBlock, _ search: inout RouteSearch
  ) -> RouteDecision {
    guard search.path.count > 0, search.path[0] == 0x2f else { return .notFound }
    if search.method == .other, isMisspelt(search.methodName, search.text) { return .ambiguous }
    guard !matchedNames.isEmpty, search.allowed == nil, isDoubtful(headers, search) else {
      return find(authority, headers, &search)
    }
    // Whatever all readings of a list come to lies between these two: the most specific route of more candidates is that of fewer
    // too, if it is among them.
    search.reading = .each
    let decision = find(authority, headers, &search)
    search.reading = .none
    return find(authority, headers, &search) == decision ? decision : .ambiguous
  }

  private func find(_ authority: Span<UInt8>, _ headers: borrowing HeaderBlock, _ search: inout RouteSearch) -> RouteDecision {
    var host = mostSpecificHost(authority, search.text)
    while host >= 0 {
      search.prefixDepth = -1
      search.hasCandidate = false
      let root = hosts[Int(host)].root
      if let route = walk(root, 1, 0, headers, &search) { return .route(Int(route)) }
      if search.prefixDepth >= 0 { return .route(Int(search.prefixRoute)) }
      if search.hasCandidate { return .methodNotAllowed }
      host = hosts[Int(host)].next
    }
    return .notFound
  }

  // MARK: - Hosts

  /// Index in `hosts` of the most specific pattern that the authority's host matches; -1 for none.
  private func mostSpecificHost(_ authority: Span<UInt8>, _ text: Span<UInt8>) -> Int32 {
    let name = authority.extracting(HostPattern.hostRange(authority))
    guard name.count > 0, name.count <= HostPattern.maximumLength, hosts.count > (anyHost >= 0 ? 1 : 0) else {
      return anyHost
    }
    var best = anyHost
    var hash = seed
    var index = name.count
    while index > 0 {
      index &-= 1
      let byte = ASCII.lower(name[index])
      // Something must stand before the dot, so that `*.example.com` is not matched by `.example.com`.
      if byte == 0x2e, hasWildcardHosts, index > 0 {
        let found = findHost(name.extracting((index &+ 1)...), text, hash, isWildcard: true)
        if found >= 0 { best = found }
      }
      hash = RouteHash.step(hash, byte)
    }
    let found = findHost(name, text, hash, isWildcard: false)
    return found >= 0 ? found : best
  }

  private func findHost(_ name: Span<UInt8>, _ text: Span<UInt8>, _ hash: UInt64, isWildcard: Bool) -> Int32 {
    let mask = hostSlots.count &- 1
    var slot = Int(truncatingIfNeeded: RouteHash.finish(hash, isWildcard ? 1 : 0)) & mask
    while hostSlots[slot] >= 0 {
      let index = hostSlots[slot]
      let host = hosts[Int(index)]
      if host.isWildcard == isWildcard, Self.equalsLowercased(name, text.extracting(host.name.bounds)) { return index }
      slot = (slot &+ 1) & mask
    }
    return -1
  }

  static func equalsLowercased(_ bytes: Span<UInt8>, _ stored: Span<UInt8>) -> Bool {
    guard bytes.count == stored.count else { return false }
    for index in stored.indices where ASCII.lower(bytes[index]) != stored[index] { return false }
    return true
  }

  // MARK: - Paths

  /// Looks below `node` for the first route, in the order of specificity, whose pattern takes the path to its end. The best
  /// `/**` route seen on the way back up is left in `search`: the deepest, and among equals the one met first.
  ///
  /// - Parameters:
  ///   - position: where the next segment begins; beyond the path's end when there is none left.
  ///   - depth: how many segments have been taken.
  private func walk(
    _ node: Int32, _ position: Int, _ depth: Int, _ headers: borrowing HeaderBlock, _ search: inout RouteSearch
  ) -> Int32? {
    search.visits &+= 1
    let current = nodes[Int(node)]
    if position > search.path.count {
      if let route = accept(current.exact, headers, &search) { return route }
    } else {
      let segment = hashSegment(search.path, from: position)
      let child = findChild(node, search.path.extracting(position..<segment.end), search.text, segment.hash)
      if child >= 0, let route = walk(child, segment.end &+ 1, depth &+ 1, headers, &search) { return route }
      if current.parameter >= 0, segment.end > position,
        let route = walk(current.parameter, segment.end &+ 1, depth &+ 1, headers, &search)
      {
        return route
      }
    }
    if depth > search.prefixDepth, let route = accept(current.prefix, headers, &search) {
      search.prefixDepth = depth
      search.prefixRoute = route
    }
    return nil
  }

  /// The segment's end and hash. After `%` two digits are taken in upper case, so that `%c3` is `%C3`.
  private func hashSegment(_ path: Span<UInt8>, from start: Int) -> (end: Int, hash: UInt64) {
    let rest = path.extracting(start...)
    var hash = seed
    var digits = 0
    for index in rest.indices {
      var byte = rest[index]
      if byte == 0x2f { return (start &+ index, hash) }
      if digits > 0 {
        digits &-= 1
        if byte >= 0x61 { byte &= ~0x20 }
      } else if byte == 0x25 {
        digits = 2
      }
      hash = RouteHash.step(hash, byte)
    }
    return (path.count, hash)
  }

  private func findChild(_ node: Int32, _ segment: Span<UInt8>, _ text: Span<UInt8>, _ hash: UInt64) -> Int32 {
    let mask = edges.count &- 1
    let key = RouteHash.finish(hash, node)
    var slot = Int(truncatingIfNeeded: key) & mask
    while true {
      let edge = edges[slot]
      if edge.parent < 0 { return -1 }
      if edge.parent == node, edge.hash == key, Self.equalsSegment(segment, text.extracting(edge.segment.bounds)) {
        return edge.child
      }
      slot = (slot &+ 1) & mask
    }
  }

  private static func equalsSegment(_ segment: Span<UInt8>, _ stored: Span<UInt8>) -> Bool {
    guard segment.count == stored.count else { return false }
    var digits = 0
    for index in stored.indices {
      var byte = segment[index]
      if digits > 0 {
        digits &-= 1
        if byte >= 0x61 { byte &= ~0x20 }
      } else if byte == 0x25 {
        digits = 2
      }
      if byte != stored[index] { return false }
    }
    return true
  }

  // MARK: - Routes at a pattern

  /// The first of the entries that takes the request; notes whether there was one that would but for the method.
  private func accept(_ range: ByteRange, _ headers: borrowing HeaderBlock, _ search: inout RouteSearch) -> Int32? {
    var index = range.start
    while index < range.end {
      let entry = entries[index]
      index &+= 1
      guard entry.headers.isEmpty || headersHold(entry.headers, headers, search) else { continue }
      search.hasCandidate = true
      if search.allowed != nil {
        search.allowed?.mask |= entry.methods
        search.allowed?.tokens += tokens[entry.tokens.start..<entry.tokens.end]
      } else if permits(entry, search) {
        return entry.route
      }
    }
    return nil
  }

  private func permits(_ entry: Entry, _ search: borrowing RouteSearch) -> Bool {
    if entry.methods & MethodSet.bit(search.method) != 0 { return true }
    guard search.method == .other else { return false }
    var index = entry.tokens.start
    while index < entry.tokens.end {
      if search.methodName.equals(search.text.extracting(tokens[index].bounds)) { return true }
      index &+= 1
    }
    return false
  }

  /// Whether a route names the method, but for the case of its letters: frameworks read `purge` as `PURGE`, and so would the route
  /// be passed by.
  private func isMisspelt(_ name: Span<UInt8>, _ text: Span<UInt8>) -> Bool {
    var isMisspelt = false
    for known in methodNames where known.length == name.count {
      let known = text.extracting(known.bounds)
      if name.equals(known) { return false }
      if name.equalsIgnoringCase(known) { isMisspelt = true }
    }
    return isMisspelt
  }

  private func headersHold(_ range: ByteRange, _ fields: borrowing HeaderBlock, _ search: borrowing RouteSearch) -> Bool {
    var index = range.start
    while index < range.end {
      if !headerHolds(headers[index], fields, search) { return false }
      index &+= 1
    }
    return true
  }
}

/// One walk through the table: what is looked for, and what has been found so far.
struct RouteSearch: ~Escapable {
  let path: Span<UInt8>
  let method: HTTPMethod
  let methodName: Span<UInt8>
  let bytes: Span<UInt8>
  /// The table's.
  let text: Span<UInt8>
  var reading = FieldReading.asSent
  /// Segments before the `/**` of the best such route so far; -1 when there is none.
  var prefixDepth = -1
  var prefixRoute: Int32 = -1
  /// A route was seen whose host, path and headers hold.
  var hasCandidate = false
  var visits = 0
  /// Set when the methods of all candidates are wanted instead of a route.
  var allowed: MethodAccumulator?

  @_lifetime(copy path, copy methodName, copy bytes, copy text)
  init(path: Span<UInt8>, method: HTTPMethod, methodName: Span<UInt8>, bytes: Span<UInt8>, text: Span<UInt8>) {
    self.path = path
    self.method = method
    self.methodName = methodName
    self.bytes = bytes
    self.text = text
  }
}

/// The methods of several routes. Made for a 405 only.
struct MethodAccumulator {
  var mask: UInt16 = 0
  var tokens: [ByteRange] = []
}
