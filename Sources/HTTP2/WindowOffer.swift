/// When a connection's window is given back before nghttp2 does.
///
/// nghttp2 waits until half of the window has been consumed. Where streams that nobody reads hold the other half, that is never, and the
/// streams beside them would starve, although there is room for them.
package enum WindowOffer {
  /// What most peers send at once (RFC 9113 section 4.2).
  package static let frame = 16 << 10

  /// - Parameters:
  ///   - left: bytes that the peer may still send.
  ///   - received: bytes that it has sent and that were not given back.
  ///   - held: how many of them are still held here.
  /// - Returns: how many are to be given back now; 0 while the peer can send a frame anyway, and when it could not even so.
  package static func size(left: Int, received: Int, held: Int) -> Int {
    guard left < frame else { return 0 }
    let consumed = received &- held
    return consumed > 0 && left &+ consumed >= frame ? consumed : 0
  }
}
