/// What a parser says about the bytes so far.
package enum HeadProgress: Equatable, Sendable {
  /// Call again with the same bytes and more behind them.
  case needMore
  /// The head is whole; its `length` says where the content begins.
  case complete
  case failed(HeadError)
}
