import CLinux
import Configuration
import Reactor

/// Sockets, opened before anything changes, so that an address that cannot be had refuses a start or a reload whole.
extension Supervisor {
  /// An address that cannot be had, and where it is written.
  struct ListenFailure: Error {
    let diagnostic: Diagnostic
    init(_ diagnostic: Diagnostic) { self.diagnostic = diagnostic }
  }

  /// What each worker has to change to listen as `next` says. Opens what is new; touches nothing that is there.
  func openListeners(
    _ next: BuiltSnapshot, instead old: BuiltSnapshot?, workers count: Int
  ) throws(ListenFailure) -> [ListenerChanges] {
    var changes = Array(repeating: ListenerChanges(), count: count)
    let before = Dictionary(uniqueKeysWithValues: (old?.listeners ?? []).map { ($0.context.name, $0.address) })
    for name in before.keys where !next.listeners.contains(where: { $0.context.name == name && $0.address == before[name] }) {
      for index in changes.indices { changes[index].closed.append(name) }
    }
    var opened: [Int32] = []
    var bound: [String] = []
    for listener in next.listeners {
      if before[listener.context.name] == listener.address {
        for index in changes.indices { changes[index].updated.append(listener.context) }
        continue
      }
      do throws(Errno) {
        // A unix-domain socket has one queue: all workers accept from it.
        let isUnix = if case .unix = listener.address { true } else { false }
        guard let address = listener.address.address(names.addresses(of:)) else { throw Errno(EADDRNOTAVAIL) }
        // SO_REUSEPORT would share an address with another gateway without a word; a socket without it is refused instead.
        if !isUnix { _ = close(try Listener.bound(address, reusePort: false)) }
        var shared: Int32 = -1
        for index in changes.indices {
          let descriptor: Int32
          if isUnix, shared >= 0 {
            descriptor = Int32(try Syscall.require { Int(gh_duplicate(shared)) })
          } else {
            descriptor = try Listener.open(address, reusePort: true)
            shared = descriptor
            if case .unix(let path) = listener.address {
              socketFiles.bound(path)
              bound.append(path)
            }
          }
          opened.append(descriptor)
          changes[index].opened.append((descriptor, listener.context))
        }
      } catch {
        socketFiles.remove(bound)
        for descriptor in opened { _ = close(descriptor) }
        throw ListenFailure(Diagnostic(listener.location, "cannot listen on \(listener.address.text): \(error)"))
      }
    }
    return changes
  }

  /// Removes the files of Unix sockets that nobody listens on with `next`. They listen still: see `SocketFiles`.
  func removeSockets(of old: BuiltSnapshot, keeping next: BuiltSnapshot) {
    let kept = Set(next.listeners.map(\.address.text))
    for listener in old.listeners where !kept.contains(listener.address.text) {
      if case .unix(let path) = listener.address { socketFiles.remove([path]) }
    }
  }
}
