import Bytes

/// The idle client connections whose buffers are kept for their next request: a ring, from which the oldest is put to rest.
///
/// Without a bound, each of a thousand connections that come at once has a set of buffers of its own until the first is put to
/// rest after seconds. That peak costs more than itself: what lives on lies strewn among the buffers, and the pages are never whole
/// again. 5,000 connections with a request each left 31.5 KiB apiece, of which 14.3 were in use; see "idle" in docs/performance.md.
///
/// It knows them by their slots: one that has closed since is nobody, whatever it or its closing still does.
package struct WarmConnections {
  /// Connections of a worker that are ready for a request without any allocation.
  package static let capacity = 256

  private var ring: [SlotID?]
  private var next = 0

  /// - Parameter capacity: at least 1.
  init(capacity: Int = capacity) { ring = Array(repeating: nil, count: max(1, capacity)) }

  /// Puts in a connection that has become idle, and answers where it stands now and which one had to go for it.
  mutating func enter(_ connection: SlotID) -> (place: Int, oldest: SlotID?) {
    let place = next
    next = next &+ 1 == ring.count ? 0 : next &+ 1
    let oldest = ring[place]
    ring[place] = connection
    return (place, oldest)
  }

  /// Takes one out that rests or closes.
  mutating func leave(_ place: Int) { ring[place] = nil }

  // MARK: For tests

  var count: Int { ring.count }

  subscript(place: Int) -> SlotID? { ring[place] }
}
