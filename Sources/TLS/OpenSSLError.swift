import COpenSSL

/// OpenSSL's error queue of this thread, as text. For failure paths only: reading it allocates.
///
/// Whoever sees an OpenSSL call fail empties the queue, with `drain()` or `ERR_clear_error`, before doing anything else.
package enum OpenSSLError {
  /// The library's version and date, as it is loaded.
  package static var libraryVersion: String {
    guard let text = OpenSSL_version(OPENSSL_VERSION) else { return "unknown" }
    return String(cString: text)
  }

  /// Takes every error off the queue, oldest first: `"x509 certificate routines: key values mismatch"`.
  /// Empty when the queue is. At most eight are told, all are removed.
  package static func drain() -> String {
    var text = ""
    var told = 0
    while true {
      let code = ERR_get_error()
      if code == 0 { return text }
      if told == 8 { continue }
      if told > 0 { text += "; " }
      text += describe(code)
      told += 1
    }
  }

  /// One error code in words, without OpenSSL's numbers, files and lines.
  package static func describe(_ code: UInt) -> String {
    let reason = ERR_reason_error_string(code).map { String(cString: $0) }
    let library = ERR_lib_error_string(code).map { String(cString: $0) }
    switch (library, reason) {
    case (let library?, let reason?): return "\(library): \(reason)"
    case (nil, let reason?): return reason
    case (let library?, nil): return "\(library): error \(ERR_GET_REASON(code))"
    case (nil, nil): return "error \(code)"
    }
  }
}
