import Proxy
import Testing
import Upstream

struct ExchangeStateTests {
  /// How far an exchange has come.
  enum Point: CaseIterable {
    case begun, asked, sending, contentSent, requestDone, responding, respondingEarly, answered, ended
  }

  enum Event: CaseIterable {
    case staleUnsent, stale, reset, connect, timeout, brokenResponse, responseEnded, clientGone, interrupted
  }

  private func state(_ point: Point, isIdempotent: Bool = true) -> ExchangeState {
    var state = ExchangeState()
    let hasContent = point == .begun || point == .contentSent || point == .respondingEarly
    state.begin(isIdempotent: isIdempotent, hasContent: hasContent)
    if point == .begun { return state }
    if point == .answered {
      state.answered()
      return state
    }
    state.upstreamAsked()
    if point == .asked { return state }
    state.upstreamReady()
    if point == .sending { return state }
    if hasContent { state.contentForwarded() }
    if point == .contentSent { return state }
    if point != .respondingEarly { state.requestEnded() }
    if point == .requestDone { return state }
    state.responseBegan()
    if point == .ended { _ = state.responseEnded() }
    return state
  }

  private func apply(_ event: Event, to state: inout ExchangeState) -> ExchangeState.Action {
    switch event {
    case .staleUnsent: state.upstreamFailed(UpstreamFailure(.reset, requestUnsent: true, connectionReused: true))
    case .stale: state.upstreamFailed(UpstreamFailure(.reset, requestUnsent: false, connectionReused: true))
    case .reset: state.upstreamFailed(UpstreamFailure(.reset, requestUnsent: false))
    case .connect: state.upstreamFailed(UpstreamFailure(.connect, requestUnsent: true))
    case .timeout: state.upstreamFailed(UpstreamFailure(.timeout, requestUnsent: false, connectionReused: true))
    case .brokenResponse:
      state.upstreamFailed(UpstreamFailure(.reset, requestUnsent: false, connectionReused: true, responseStarted: true))
    case .responseEnded: state.responseEnded()
    case .clientGone: state.clientGone()
    case .interrupted: state.interrupted(.requestTimeout)
    }
  }

  /// For an idempotent request.
  private func expected(_ event: Event, at point: Point) -> ExchangeState.Action {
    switch point {
    case .answered, .ended: return .nothing
    case .responding, .respondingEarly:
      switch event {
      case .responseEnded: return .finish
      case .clientGone: return .cancelUpstream
      default: return .abort
      }
    case .begun, .asked, .sending, .contentSent, .requestDone:
      switch event {
      case .responseEnded: return .nothing
      case .clientGone: return point == .begun ? .nothing : .cancelUpstream
      case .interrupted: return .answer(.requestTimeout)
      case .staleUnsent, .stale: return point == .contentSent ? .answer(.upstreamReset) : .retry
      case .reset, .brokenResponse: return .answer(.upstreamReset)
      case .connect: return .answer(.upstreamConnect)
      case .timeout: return .answer(.upstreamTimeout)
      }
    }
  }

  @Test(arguments: Point.allCases, Event.allCases) func `Every event at every point has its one outcome`(
    point: Point, event: Event
  ) {
    var state = state(point)
    let wasOver = state.isOver
    let action = apply(event, to: &state)
    #expect(action == expected(event, at: point))
    // What ends an exchange ends it for good: whatever comes after is nothing.
    if action != .retry, action != .nothing || event == .clientGone {
      #expect(state.isOver)
      #expect(!state.takesContent)
      for later in Event.allCases {
        let second = apply(later, to: &state)
        #expect(second == .nothing)
      }
    } else {
      #expect(state.isOver == wasOver)
    }
  }

  @Test func `A request that may not be repeated is tried again only if it was never sent`() {
    var sent = state(.requestDone, isIdempotent: false)
    let afterSending = apply(.stale, to: &sent)
    #expect(afterSending == .answer(.upstreamReset))
    var unsent = state(.asked, isIdempotent: false)
    let beforeSending = apply(.staleUnsent, to: &unsent)
    #expect(beforeSending == .retry)
  }

  @Test func `A request is tried again once`() {
    var state = state(.requestDone)
    let first = apply(.stale, to: &state)
    #expect(first == .retry)
    state.upstreamAsked()
    state.upstreamReady()
    let second = apply(.stale, to: &state)
    #expect(second == .answer(.upstreamReset))
  }

  @Test(arguments: Point.allCases) func `Content is taken while it has somewhere to go`(point: Point) {
    let takes: Set<Point> = [.sending, .contentSent, .requestDone, .responding, .respondingEarly]
    let state = state(point)
    #expect(state.takesContent == takes.contains(point))
  }

  @Test func `Between a failure and the next connection no content is taken`() {
    var state = state(.sending)
    _ = apply(.stale, to: &state)
    let takesContent = state.takesContent
    #expect(!takesContent)
  }

  @Test func `Beginning forgets the request before`() {
    var state = state(.ended)
    state.begin(isIdempotent: false, hasContent: true)
    let isOver = state.isOver
    #expect(!isOver)
    #expect(state.request == .receiving)
    #expect(state.response == .none)
    #expect(state.upstream == .none)
  }

  @Test func `A WebSocket's bytes pass only once the backend has agreed`() {
    var state = ExchangeState()
    state.begin(isIdempotent: true, hasContent: false, isTunnel: true)
    #expect(!state.takesContent && state.request == .complete)
    state.upstreamAsked()
    #expect(!state.takesContent)
    state.upstreamReady()
    #expect(!state.takesContent && !state.isOpenTunnel)
    state.tunnelOpened()
    #expect(state.takesContent && state.isOpenTunnel && state.request == .receiving)
    state.requestEnded()
    #expect(state.responseEnded() == .finish)
    #expect(!state.takesContent)
  }

  @Test func `A WebSocket that was refused never passes a byte`() {
    var state = ExchangeState()
    state.begin(isIdempotent: true, hasContent: false, isTunnel: true)
    state.upstreamAsked()
    state.upstreamReady()
    state.tunnelRefused()
    #expect(!state.takesContent && !state.isTunnel)
    state.responseBegan()
    #expect(!state.takesContent)
    #expect(state.responseEnded() == .finish)
  }

  @Test func `A handshake on a stale connection is tried again, an open WebSocket is cut`() {
    var state = ExchangeState()
    state.begin(isIdempotent: true, hasContent: false, isTunnel: true)
    state.upstreamAsked()
    state.upstreamReady()
    let stale = UpstreamFailure(.reset, requestUnsent: false, connectionReused: true)
    #expect(state.upstreamFailed(stale) == .retry)
    state.upstreamAsked()
    state.upstreamReady()
    state.tunnelOpened()
    #expect(state.upstreamFailed(stale) == .abort)
  }
}
