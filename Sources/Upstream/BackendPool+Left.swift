import Bytes

/// Answers whose connection is gone before their clients have taken them.
///
/// Nothing of a window holds them back any more. So what they keep takes the place of connections: a backend that answers, closes and is
/// connected to again and again has no more kept for it than one whose connections stay. What each client has of it stays in `share` and
/// `windows`.
extension BackendPool {
  /// Connections that may be made beside those that there are.
  var room: Int { max(0, connectionLimit &- open &+ replaced &- left / UpstreamSession.windows.connection) }

  /// Of those that are leaving, how many take no place: as many as there may be connections, so that there are twice as many at most.
  var replaced: Int { min(leaving, connectionLimit) }

  /// An answer stays behind with so many bytes of memory for what its client has not taken.
  ///
  /// - Returns: what it takes of the room: whole blocks, of which the part that is not in use is for the answer itself.
  func leave(_ memory: Int, _ charge: Charge) -> Int {
    let bytes = Self.blocks(of: memory)
    left &+= bytes
    leftCharge &+= charge.amount
    return bytes
  }

  /// So much memory is all that an answer still has that took `before`.
  ///
  /// - Returns: what it takes from here on.
  func keep(_ memory: Int, of before: Int) -> Int {
    let bytes = min(Self.blocks(of: memory), before)
    left &-= before &- bytes
    serveAtTurnEnd()
    return bytes
  }

  /// An answer that stayed behind is over.
  func forget(_ charge: Charge) {
    leftCharge &-= charge.amount
    give(charge)
  }

  private static func blocks(of memory: Int) -> Int {
    (memory &+ BufferPool.blockSize &- 1) / BufferPool.blockSize &* BufferPool.blockSize
  }
}
