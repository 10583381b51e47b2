import CCares
import CLinux
import Reactor

/// c-ares' own half of a resolver: everything that is called of it, and nothing else. Calls no one back: `take` has what there is to
/// say.
@safe final class CaresChannel {
  /// Milliseconds that a server has for an answer, at first; a second time it has twice as long.
  private static let patience: Int32 = 2_000
  private static let tries: Int32 = 2
  /// c-ares wants to be told once for a process.
  private static let isReady = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS

  private let number: UInt64
  // Made by `init`, given back by `close`, and handed out to nobody.
  private var channel: ares_channel?

  /// - Parameter servers: `ADDRESS:PORT` each; the system's when there are none.
  init?(servers: [String]) {
    guard Self.isReady else { return nil }
    number = CaresOutbox.open()
    var options = unsafe ares_options()
    unsafe options.timeout = Self.patience
    unsafe options.tries = Self.tries
    unsafe options.sock_state_cb = { unsafe CaresOutbox.socketChanged($0, $1, $2, $3) }
    unsafe options.sock_state_cb_data = CaresOutbox.argument(number)
    let mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB
    // c-ares copies what it is given.
    guard unsafe ares_init_options(&channel, &options, Int32(mask)) == ARES_SUCCESS, let channel = unsafe channel else {
      CaresOutbox.close(number)
      return nil
    }
    guard !servers.isEmpty else { return }
    guard unsafe ares_set_servers_ports_csv(channel, servers.joined(separator: ",")) == ARES_SUCCESS else {
      close()
      return nil
    }
  }

  deinit { close() }

  /// Every lookup is answered, to nobody.
  func close() {
    guard let open = unsafe channel else { return }
    unsafe channel = nil
    unsafe ares_destroy(open)
    CaresOutbox.close(number)
  }

  /// An answer of this number follows.
  func lookUp(_ host: String, _ lookup: UInt64, family: Int32) {
    guard let channel = unsafe channel else { return }
    var hints = ares_addrinfo_hints()
    hints.ai_family = family
    hints.ai_socktype = gh_stream
    // The name is copied, and so are the hints.
    unsafe ares_getaddrinfo(
      channel, host, nil, &hints, { unsafe CaresOutbox.answered($0, $1, $3) }, CaresOutbox.argument(number, lookup: lookup))
  }

  /// Time has passed, or sockets are ready.
  func process(reading: Int32? = nil, writing: Int32? = nil) {
    guard let channel = unsafe channel else { return }
    unsafe ares_process_fd(channel, reading ?? -1, writing ?? -1)
  }

  /// Milliseconds after which `process` has something to do although no socket is ready; nil when there is nothing to wait for.
  var delay: Int? {
    guard let channel = unsafe channel else { return nil }
    var time = timeval()
    guard unsafe ares_timeout(channel, nil, &time) != nil else { return nil }
    return max(1, Int(time.tv_sec) * 1_000 + Int(time.tv_usec) / 1_000 + 1)
  }

  /// What has been said since it was last asked for, in order.
  func take() -> [CaresEvent] { CaresOutbox.take(number) }
}
