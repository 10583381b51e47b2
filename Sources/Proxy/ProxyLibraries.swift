import HTTP2

/// Versions of the C libraries that carry requests, as they are loaded now.
package enum ProxyLibraries {
  package static var nghttp2: String { HTTP2Library.version }
}
