import Bytes
import CCares
import CLinux
import Reactor

/// What c-ares has to say, written down where it calls back and read when the call that it came in has returned.
///
/// So nothing of ours runs inside of c-ares: a completion may look up, cancel or close as it likes. And c-ares holds no pointer of
/// ours: what it is given to call back with is a number, which is looked up here. A number that nobody knows any more reaches nobody.
enum CaresEvent: Sendable {
  /// c-ares wants to hear of this; neither: it is about to close the socket.
  case socket(Int32, reads: Bool, writes: Bool)
  case answer(UInt64, NameAnswer)
}

enum CaresOutbox {
  private struct State {
    var last: UInt64 = 0
    var events: [UInt64: [CaresEvent]] = [:]
  }

  /// Of all channels in the process, which may be on several threads.
  private static let state = Locked(State())
  /// A callback's argument is a channel's number above so many bits of a lookup's number.
  private static let lookupBits: UInt64 = 40
  static let maximumLookup: UInt64 = 1 << lookupBits - 1
  /// Addresses that are taken of one answer.
  static let maximumAddresses = 64

  static func open() -> UInt64 {
    state.withLock { state in
      state.last = state.last % 0xff_ffff + 1
      state.events[state.last] = []
      return state.last
    }
  }

  static func close(_ channel: UInt64) { state.withLock { $0.events[channel] = nil } }

  static func take(_ channel: UInt64) -> [CaresEvent] {
    state.withLock { state in
      guard let events = state.events[channel], !events.isEmpty else { return [] }
      state.events[channel] = []
      return events
    }
  }

  private static func put(_ channel: UInt64, _ event: CaresEvent) {
    // Of a channel that is closed nobody wants to hear.
    state.withLock { $0.events[channel]?.append(event) }
  }

  // MARK: Callbacks

  /// A number in a pointer's clothes: it is never followed.
  @unsafe static func argument(_ channel: UInt64, lookup: UInt64 = 0) -> UnsafeMutableRawPointer? {
    unsafe UnsafeMutableRawPointer(bitPattern: UInt(channel << lookupBits | lookup))
  }

  @unsafe static func socketChanged(_ argument: UnsafeMutableRawPointer?, _ socket: Int32, _ reads: Int32, _ writes: Int32) {
    let number = UInt64(UInt(bitPattern: argument))
    put(number >> lookupBits, .socket(socket, reads: reads != 0, writes: writes != 0))
  }

  @unsafe static func answered(_ argument: UnsafeMutableRawPointer?, _ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?) {
    let number = UInt64(UInt(bitPattern: argument))
    let answer = unsafe read(status, result)
    // c-ares leaves it to us, and has no other use for it.
    if let result = unsafe result { unsafe ares_freeaddrinfo(result) }
    put(number >> lookupBits, .answer(number & maximumLookup, answer))
  }

  @unsafe private static func read(_ status: Int32, _ result: UnsafeMutablePointer<ares_addrinfo>?) -> NameAnswer {
    guard status == ARES_SUCCESS else { return .failed(failure(status)) }
    var addresses: [SocketAddress] = []
    var lifetime = UInt32.max
    // The list is c-ares' own, whole until it is freed, which is after this.
    var next = unsafe result?.pointee.nodes
    while let node = unsafe next, addresses.count < maximumAddresses {
      if let address = unsafe address(node.pointee.ai_addr, Int(node.pointee.ai_addrlen)) {
        let isKnown = addresses.contains { $0.description == address.description }
        if !isKnown { addresses.append(address) }
        unsafe lifetime = min(lifetime, UInt32(clamping: node.pointee.ai_ttl))
      }
      unsafe next = unsafe node.pointee.ai_next
    }
    guard !addresses.isEmpty else { return .failed(.notFound) }
    // What stands in the hosts file has 0.
    return .addresses(addresses, lifetime: lifetime == 0 ? nil : lifetime)
  }

  @unsafe private static func address(_ pointer: UnsafeMutablePointer<sockaddr>?, _ length: Int) -> SocketAddress? {
    guard let pointer = unsafe pointer else { return nil }
    let needed =
      switch unsafe Int32(pointer.pointee.sa_family) {
      case AF_INET: MemoryLayout<sockaddr_in>.size
      case AF_INET6: MemoryLayout<sockaddr_in6>.size
      default: Int.max
      }
    guard length >= needed else { return nil }
    var storage = sockaddr_storage()
    // `needed` bytes are there, as c-ares says, and fit, being an address's.
    unsafe withUnsafeMutableBytes(of: &storage) { unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: needed)) }
    return SocketAddress(storage: storage, length: socklen_t(needed))
  }

  private static func failure(_ status: Int32) -> NameFailure {
    switch status {
    case ARES_ENOTFOUND, ARES_ENODATA, ARES_ENONAME, ARES_EBADNAME:
      .notFound
    case ARES_ETIMEOUT, ARES_ECONNREFUSED, ARES_ECANCELLED,
      ARES_EDESTRUCTION:
      .noAnswer
    case ARES_ESERVFAIL, ARES_EREFUSED, ARES_ENOTIMP: .refused
    case ARES_EFORMERR, ARES_EBADRESP: .malformed
    default: .broken
    }
  }
}
