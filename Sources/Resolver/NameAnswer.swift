import Reactor

/// What is known of a name once it was looked up.
package enum NameAnswer: Sendable {
  /// At least one, in the order in which to try them, without ports; and the seconds that they are good for, if anybody said.
  case addresses([SocketAddress], lifetime: UInt32?)
  case failed(NameFailure)

  package var addresses: [SocketAddress] {
    if case .addresses(let addresses, _) = self { addresses } else { [] }
  }
}

/// Why a name has no addresses.
package enum NameFailure: Sendable, Equatable {
  /// Its servers say that it does not exist, or has no address.
  case notFound
  /// No server has answered in time, or none can be reached.
  case noAnswer
  /// A server will not or cannot answer.
  case refused
  /// What came is no answer.
  case malformed
  /// More names are being looked up than there is room for.
  case tooMany
  /// The resolver itself does not work: no memory, no descriptors.
  case broken

  package var text: String {
    switch self {
    case .notFound: "no such name"
    case .noAnswer: "no name server answers"
    case .refused: "the name server refuses to answer"
    case .malformed: "the name server sent an invalid answer"
    case .tooMany: "too many names are being looked up"
    case .broken: "there are no resources to look it up with"
    }
  }
}
