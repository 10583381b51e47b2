import CNghttp2

/// About the library that frames HTTP/2.
package enum HTTP2Library {
  /// As it is loaded, not as it was compiled against.
  package static var version: String {
    guard let text = nghttp2_version(0)?.pointee.version_str else { return "unknown" }
    return String(cString: text)
  }
}
