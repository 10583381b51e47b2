/// The tokens that a worker knows not to be active, by their SHA-256: of those that were asked about last, so many as there is
/// room for. A place is taken by whichever token comes to it last; what is forgotten is asked about again.
struct InactiveTokens {
  private struct Place {
    var digest: [UInt8]
    var remote: RemoteIntrospection
    var until: Int64
  }

  private var places: [Place?] = []
  private static let count = 1024

  private static func index(_ digest: [UInt8]) -> Int { (Int(digest[0]) << 8 | Int(digest[1])) & (count - 1) }

  func contains(_ digest: [UInt8], _ remote: RemoteIntrospection, now: Int64) -> Bool {
    guard !places.isEmpty, let place = places[Self.index(digest)] else { return false }
    // A clock that was set back must not keep a token out for longer than was meant.
    return place.digest == digest && place.remote === remote && now < place.until && place.until <= now + remote.inactiveLifetime
  }

  mutating func insert(_ digest: [UInt8], _ remote: RemoteIntrospection, askedAt: Int64) {
    if places.isEmpty { places = [Place?](repeating: nil, count: Self.count) }
    places[Self.index(digest)] = Place(digest: digest, remote: remote, until: askedAt + remote.inactiveLifetime)
  }
}
