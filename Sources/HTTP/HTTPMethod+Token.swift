import Bytes

extension HTTPMethod {
  /// The method that `token` is; `other` when it is none of those that have a name here.
  package init(token: Span<UInt8>) {
    switch token.count {
    case 3: self = token.equals("GET") ? .get : token.equals("PUT") ? .put : .other
    case 4: self = token.equals("POST") ? .post : token.equals("HEAD") ? .head : .other
    case 5: self = token.equals("PATCH") ? .patch : token.equals("TRACE") ? .trace : .other
    case 6: self = token.equals("DELETE") ? .delete : .other
    case 7: self = token.equals("OPTIONS") ? .options : token.equals("CONNECT") ? .connect : .other
    default: self = .other
    }
  }
}
