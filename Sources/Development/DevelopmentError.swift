import COpenSSL

/// Something that went wrong in a development tool, in words for the person at the terminal.
package struct DevelopmentError: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }

  /// `what` with the reasons that OpenSSL left in this thread's error queue, which is emptied.
  static func openSSL(_ what: String) -> DevelopmentError {
    var reasons: [String] = []
    while true {
      let code = ERR_get_error()
      if code == 0 { break }
      var text = [CChar](repeating: 0, count: 256)
      ERR_error_string_n(code, &text, text.count)
      reasons.append(text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
    }
    return DevelopmentError(reasons.isEmpty ? what : "\(what): \(reasons.joined(separator: "; "))")
  }
}
