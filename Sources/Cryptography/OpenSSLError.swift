import COpenSSL

/// OpenSSL's queue of errors, which each thread has.
package enum OpenSSLError {
  /// What OpenSSL says about its last failure, and the queue emptied.
  package static func take() -> String {
    let code = ERR_peek_last_error()
    ERR_clear_error()
    // A text that stands in OpenSSL for as long as the process lives.
    guard code != 0, let reason = unsafe ERR_reason_error_string(code) else { return "OpenSSL gives no reason" }
    return unsafe String(cString: reason)
  }

  package static func clear() { ERR_clear_error() }
}
