import Bytes
import CLinux

/// What a descriptor is ready for, or what its channel wants to hear of.
public struct Readiness: OptionSet, Sendable {
  public let rawValue: UInt32
  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let read = Readiness(rawValue: gh_EPOLLIN)
  package static let write = Readiness(rawValue: gh_EPOLLOUT)
  /// The peer closed, or the connection broke. Reported whether asked for or not.
  package static let hangup = Readiness(rawValue: gh_EPOLLHUP | gh_EPOLLERR)
  /// What is the case is told once and not again; asked for alone, a hangup is all there is to tell.
  package static let once = Readiness(rawValue: gh_EPOLLET)
  /// The peer has sent all it will send. Asked for while reading is paused, to learn that a client went away.
  package static let peerClosed = Readiness(rawValue: gh_EPOLLRDHUP)
}

/// epoll, level-triggered: what has been read stays read, and interest changes only for backpressure, so a request on
/// a kept-alive connection costs no `epoll_ctl` at all.
package struct Poller: ~Copyable {
  private let epoll: Int32
  private let events: UnsafeMutablePointer<epoll_event>
  /// Events that one wait can bring.
  package static let capacity = 256

  package init() throws(Errno) {
    epoll = Int32(try Syscall.require { Int(epoll_create1(Int32(EPOLL_CLOEXEC))) })
    events = .allocate(capacity: Self.capacity)
  }

  deinit {
    events.deallocate()
    _ = close(epoll)
  }

  package func add(_ descriptor: Int32, _ interest: Readiness, _ id: SlotID) throws(Errno) {
    _ = try Syscall.require { Int(gh_epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, interest.rawValue, id.token)) }
  }

  package func modify(_ descriptor: Int32, _ interest: Readiness, _ id: SlotID) {
    // Cannot fail for a registered, open descriptor; the channel's deadline covers what cannot happen.
    _ = gh_epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, interest.rawValue, id.token)
  }

  /// Closing a descriptor does as much, unless it has a duplicate (epoll(7)), as those of mailboxes and shared sockets have.
  package func remove(_ descriptor: Int32) {
    _ = gh_epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, 0, 0)
  }

  /// Waits at most `milliseconds` (-1: for ever) and returns how many events `event(_:)` can be asked for.
  package func wait(milliseconds: Int32) -> Int {
    let count = epoll_wait(epoll, events, Int32(Self.capacity), milliseconds)
    return count > 0 ? Int(count) : 0
  }

  package func event(_ index: Int) -> (id: SlotID, readiness: Readiness) {
    precondition(index >= 0 && index < Self.capacity)
    return (SlotID(token: gh_epoll_token(events + index)), Readiness(rawValue: gh_epoll_events(events + index)))
  }
}
