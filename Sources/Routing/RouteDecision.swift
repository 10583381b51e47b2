/// What the route table says to a request.
package enum RouteDecision: Sendable, Equatable {
  /// The index that the route was added with.
  case route(Int)
  /// Routes match but for the method: 405, with the `Allow` that `RouteTable.allow` computes.
  case methodNotAllowed
  /// 404.
  case notFound
  /// 400: what routes decide by has more than one reading.
  case ambiguous
}
