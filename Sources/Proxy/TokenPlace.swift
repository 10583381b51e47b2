import Bytes
import HTTP
import Tokens

/// A place where a route looks for tokens, and whose tokens may stand there: what stands in one provider's place is never shown to
/// another, so that an API key is no access token by being sent as one.
package struct TokenPlace: Sendable {
  package let source: TokenSource
  /// Providers that look here, by index in the snapshot.
  package let providers: [Int]
  /// The same, for the verifier.
  package let acceptable: ProviderSet
  /// For a cookie: sites besides the gateway's own whose pages may use it.
  package let origins: [[UInt8]]

  package init(_ source: TokenSource, providers: [Int], origins: [[UInt8]] = []) {
    self.source = source
    self.providers = providers
    acceptable = ProviderSet(providers)
    self.origins = origins
  }
}

extension TokenPlace {
  /// Looks in all of `places`. The same token in two of them is one token; a field repeated is ambiguous whatever it holds.
  package static func search(
    _ places: [TokenPlace], _ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>, query: ByteRange = .empty
  ) -> TokenSearch {
    var found: ByteRange?
    var isInCookieOnly = true
    var holder = TokenHolder.several
    for index in places.indices {
      let range: ByteRange
      switch places[index].source.find(fields, bytes, query: query) {
      case .missing: continue
      case .ambiguous: return .ambiguous
      case .found(let next): range = next
      }
      if case .cookie = places[index].source {} else { isInCookieOnly = false }
      guard let first = found else {
        found = range
        holder = .place(index)
        continue
      }
      guard TokenSource.equal(first, range, bytes) else { return .ambiguous }
      if case .place(let known) = holder, places[known].providers != places[index].providers { holder = .several }
    }
    guard let found else { return .missing }
    return .found(found, in: holder, isInCookieOnly: isInCookieOnly)
  }

  /// All of `places` where `token` stands, for one that stands in places of different providers.
  static func holding(
    _ token: ByteRange, _ places: [TokenPlace], _ fields: borrowing HeaderBlock, _ bytes: UnsafeBufferPointer<UInt8>,
    query: ByteRange
  ) -> [TokenPlace] {
    var result: [TokenPlace] = []
    for place in places {
      guard case .found(let range) = place.source.find(fields, bytes, query: query), TokenSource.equal(range, token, bytes) else {
        continue
      }
      result.append(place)
    }
    return result
  }
}

/// Where a token was found.
package enum TokenHolder: Equatable, Sendable {
  /// In the place of this index, and in no place of other providers.
  case place(Int)
  /// In places whose providers differ: all of them may look at it.
  case several
}

/// What looking for a token came to.
package enum TokenSearch: Equatable {
  /// - Parameter isInCookieOnly: browsers send those along whoever asks them to.
  case found(ByteRange, in: TokenHolder, isInCookieOnly: Bool)
  case missing
  /// Two tokens, and no rule to say which one counts.
  case ambiguous
}
