/// A line in which turn goes round by client: each client's own stand one behind the other, and whose turn it is stands behind all other
/// clients afterwards. One who leaves out of turn, or is served, costs the same however long the line is.
///
/// It has no bound of its own: who appends bounds it, and is told by `displaced` who gives way. For a line that bounds itself, which
/// nobody leaves before his turn, see `FairQueue`.
package struct ClientLine<Element> {
  /// Where somebody stands: good until he leaves, and nobody's afterwards.
  package struct Place: Equatable, Sendable {
    fileprivate let index: Int
    fileprivate let generation: UInt64
  }

  /// Who stands one behind the other: the requests of one client that want the same.
  private struct Key: Hashable {
    let origin: ClientOrigin
    let kind: Bool
  }

  private struct Node {
    /// Nil in an empty place.
    var element: Element?
    var generation: UInt64 = 0
    var flow = -1
    var previous = -1
    /// In an empty place: the next one of those that are empty.
    var next = -1
  }

  private struct Flow {
    var key: Key
    var first = -1
    var last = -1
    var count = 0
    var previous = -1
    /// In a flow that is nobody's: the next one of those.
    var next = -1
  }

  private var nodes: [Node] = []
  private var freeNode = -1
  private var flows: [Flow] = []
  private var freeFlow = -1
  private var places: [Key: Int] = [:]
  /// The flows by turn.
  private var front = -1
  private var back = -1
  package private(set) var count = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }
  /// Clients in line; one that wants two kinds of things counts twice.
  package var clients: Int { places.count }

  /// Stands at the end of its client's own.
  package mutating func append(_ element: Element, of origin: ClientOrigin, kind: Bool = false) -> Place {
    let flow = flow(of: Key(origin: origin, kind: kind))
    let index = emptyNode()
    let last = flows[flow].last
    nodes[index].element = element
    nodes[index].flow = flow
    nodes[index].previous = last
    nodes[index].next = -1
    if last >= 0 { nodes[last].next = index } else { flows[flow].first = index }
    flows[flow].last = index
    flows[flow].count &+= 1
    count &+= 1
    return Place(index: index, generation: nodes[index].generation)
  }

  package func element(at place: Place) -> Element? { isTaken(place) ? nodes[place.index].element : nil }

  package mutating func update(_ place: Place, _ change: (inout Element) -> Void) {
    guard isTaken(place), var element = nodes[place.index].element else { return }
    change(&element)
    nodes[place.index].element = element
  }

  /// The first in line of the clients that `mayGo` says yes of.
  package func first(where mayGo: (ClientOrigin, _ kind: Bool) -> Bool) -> Place? {
    var flow = front
    while flow >= 0 {
      let first = flows[flow].first
      if mayGo(flows[flow].key.origin, flows[flow].key.kind) { return Place(index: first, generation: nodes[first].generation) }
      flow = flows[flow].next
    }
    return nil
  }

  /// Takes out whoever stands there; its client's turn is over.
  package mutating func take(_ place: Place) -> Element? {
    guard isTaken(place) else { return nil }
    let flow = nodes[place.index].flow
    let key = flows[flow].key
    let element = remove(place)
    // Unless that was the last of them.
    if places[key] == flow, flow != back {
      unlink(flow)
      link(flow)
    }
    return element
  }

  /// Takes out one who leaves.
  @discardableResult
  package mutating func remove(_ place: Place) -> Element? {
    guard isTaken(place) else { return nil }
    let node = nodes[place.index]
    if node.previous >= 0 { nodes[node.previous].next = node.next } else { flows[node.flow].first = node.next }
    if node.next >= 0 { nodes[node.next].previous = node.previous } else { flows[node.flow].last = node.previous }
    flows[node.flow].count &-= 1
    if flows[node.flow].first < 0 { end(node.flow) }
    nodes[place.index] = Node(element: nil, generation: node.generation &+ 1, next: freeNode)
    freeNode = place.index
    count &-= 1
    return node.element
  }

  /// Who gives way to one more of `origin`'s in a line that is full: the last of the client who has most in it, by `amount`, if that is
  /// more than `origin`'s client would have; else the last of its connection that has most, if that is more than this one would have.
  /// Looks at every client.
  package func displaced(by origin: ClientOrigin, amount: (ClientOrigin) -> Int) -> Place? {
    var (other, own) = (-1, -1)
    var (otherAmount, ownCount) = (amount(origin) &+ 1, 1)
    for kind in [false, true] { if let flow = places[Key(origin: origin, kind: kind)] { ownCount &+= flows[flow].count } }
    var flow = front
    while flow >= 0 {
      let candidate = flows[flow]
      if candidate.key.origin.address == origin.address {
        if candidate.key.origin != origin, candidate.count > ownCount { (own, ownCount) = (flow, candidate.count) }
      } else {
        let amount = amount(candidate.key.origin)
        let isMore = amount > otherAmount || amount == otherAmount && other >= 0 && candidate.count > flows[other].count
        if isMore { (other, otherAmount) = (flow, amount) }
      }
      flow = flows[flow].next
    }
    let found = other >= 0 ? other : own
    guard found >= 0 else { return nil }
    let last = flows[found].last
    return Place(index: last, generation: nodes[last].generation)
  }

  /// Everybody, by client. Cold.
  package var all: [(origin: ClientOrigin, element: Element)] {
    var all: [(ClientOrigin, Element)] = []
    var flow = front
    while flow >= 0 {
      var node = flows[flow].first
      while node >= 0 {
        if let element = nodes[node].element { all.append((flows[flow].key.origin, element)) }
        node = nodes[node].next
      }
      flow = flows[flow].next
    }
    return all
  }

  private func isTaken(_ place: Place) -> Bool {
    place.index < nodes.count && nodes[place.index].generation == place.generation && nodes[place.index].element != nil
  }

  private mutating func emptyNode() -> Int {
    guard freeNode >= 0 else {
      nodes.append(Node())
      return nodes.count &- 1
    }
    let index = freeNode
    freeNode = nodes[index].next
    return index
  }

  private mutating func flow(of key: Key) -> Int {
    if let flow = places[key] { return flow }
    var flow = freeFlow
    if flow >= 0 {
      freeFlow = flows[flow].next
      flows[flow] = Flow(key: key)
    } else {
      flow = flows.count
      flows.append(Flow(key: key))
    }
    places[key] = flow
    link(flow)
    return flow
  }

  private mutating func end(_ flow: Int) {
    places[flows[flow].key] = nil
    unlink(flow)
    flows[flow].next = freeFlow
    freeFlow = flow
  }

  private mutating func link(_ flow: Int) {
    flows[flow].previous = back
    flows[flow].next = -1
    if back >= 0 { flows[back].next = flow } else { front = flow }
    back = flow
  }

  private mutating func unlink(_ flow: Int) {
    let (previous, next) = (flows[flow].previous, flows[flow].next)
    if previous >= 0 { flows[previous].next = next } else { front = next }
    if next >= 0 { flows[next].previous = previous } else { back = previous }
  }
}
