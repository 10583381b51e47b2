/// The idle client connections whose buffers are kept for their next request: a ring, from which the oldest is put to rest.
///
/// Without a bound, each of a thousand connections that come at once has a set of buffers of its own until the first is put to
/// rest after seconds. That peak costs more than itself: what lives on lies strewn among the buffers, and the pages are never whole
/// again. 5,000 connections with a request each left 31.5 KiB apiece, of which 14.3 were in use; see "idle" in docs/performance.md.
struct WarmConnections {
  /// Connections of a worker that are ready for a request without any allocation.
  static let capacity = 256

  private var ring: [Unmanaged<DownstreamConnection>?] = Array(repeating: nil, count: capacity)
  private var next = 0

  /// Puts in a connection that has become idle, and answers where it stands now and which one had to go for it.
  mutating func enter(_ connection: DownstreamConnection) -> (place: Int, oldest: DownstreamConnection?) {
    let place = next
    next = next &+ 1 == Self.capacity ? 0 : next &+ 1
    let oldest = ring[place]?.takeUnretainedValue()
    ring[place] = .passUnretained(connection)
    return (place, oldest)
  }

  /// Takes one out that rests or closes.
  mutating func leave(_ place: Int) { ring[place] = nil }
}
