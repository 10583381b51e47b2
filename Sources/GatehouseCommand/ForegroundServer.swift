import ArgumentParser
import Foundation

/// Runs a development server until SIGINT or SIGTERM, which end the process with exit code 0.
enum ForegroundServer {
  static func run(named name: String, at address: String, start: () -> Void) -> Never {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    // Before the server's threads are made, which inherit the mask. As process 1 of a container, nothing else would stop us.
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    start()
    Terminal.complain("ready: \(name) \(address)")
    var caught: Int32 = 0
    while sigwait(&signals, &caught) != 0 {}
    exit(0)
  }
}

/// `HOST:PORT` on the command line; an IPv6 address stands in brackets.
struct ListenAddress {
  let host: String
  let port: UInt16

  init(_ text: String) throws {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), colon > text.startIndex
    else {
      throw ValidationError("\(text): write HOST:PORT")
    }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    self.host = String(host)
    self.port = port
  }
}
