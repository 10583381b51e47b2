import Bytes

extension HopByHop {
  /// Marks the fields of `head` that its `Connection` fields nominate, in whatever spelling: they are meant for this hop
  /// (RFC 9110 section 7.6.1).
  ///
  /// Each option is looked up among the names once, in a list that is sorted: a head full of both costs its length times the
  /// logarithm of how many fields it may have, not the product of the two.
  ///
  /// - Returns: how many names were compared.
  @discardableResult
  package static func markNominated(in head: inout HeaderBlock, _ bytes: Span<UInt8>) -> Int {
    var names = NominationIndex(head, bytes)
    var next = head.first(.connection)
    while let current = next {
      var list = TokenList(head[current].value)
      while case .token(let token) = list.next(in: bytes) { names.mark(bytes.extracting(token.bounds), in: &head, bytes) }
      next = head.first(.connection, from: current &+ 1)
    }
    return names.comparisons
  }
}

/// The fields of a head, by their names.
private struct NominationIndex {
  /// Shorter names first, then as `FieldName.folded` has their bytes.
  private var order: [Int] = []
  private(set) var comparisons = 0

  init(_ head: borrowing HeaderBlock, _ bytes: Span<UInt8>) {
    order.reserveCapacity(head.count)
    for index in 0..<head.count { insert(index, head, bytes) }
  }

  /// Behind those that are not greater. Moving whole numbers is cheap, and there are a few hundred at most.
  private mutating func insert(_ index: Int, _ head: borrowing HeaderBlock, _ bytes: Span<UInt8>) {
    let name = bytes.extracting(head[index].name.bounds)
    order.insert(index, at: firstPlace(name, head, bytes))
  }

  /// Marks all fields of this name, unless they are marked already.
  mutating func mark(_ option: Span<UInt8>, in head: inout HeaderBlock, _ bytes: Span<UInt8>) {
    var place = firstPlace(option, head, bytes)
    while place < order.count {
      let index = order[place]
      comparisons &+= 1
      guard Self.compare(bytes.extracting(head[index].name.bounds), option) == 0, !head[index].isNominated else { return }
      head.nominate(index)
      place &+= 1
    }
  }

  /// Where `name` stands, or would.
  private mutating func firstPlace(_ name: Span<UInt8>, _ head: borrowing HeaderBlock, _ bytes: Span<UInt8>) -> Int {
    var (low, high) = (0, order.count)
    while low < high {
      let middle = (low &+ high) / 2
      comparisons &+= 1
      if Self.compare(bytes.extracting(head[order[middle]].name.bounds), name) < 0 { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  /// Below zero when `left` comes first, zero when both are one name.
  private static func compare(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Int {
    if left.count != right.count { return left.count &- right.count }
    for index in left.indices {
      let difference = Int(FieldName.folded(left[index])) &- Int(FieldName.folded(right[index]))
      if difference != 0 { return difference }
    }
    return 0
  }
}
