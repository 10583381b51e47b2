/// What an operator may permit of paths that have more than one reading.
package struct PathRules: Equatable, Sendable {
  /// Reads a run of slashes as one instead of refusing it.
  package var mergesSlashes = false
  /// Keeps `;` and what follows it in a segment (RFC 3986 section 3.3) instead of refusing it: no backend may be one that cuts such
  /// parameters off, as servlet containers do, or a rule for `/admin` is passed by `/admin;x`.
  package var allowsParameters = false

  package init(mergesSlashes: Bool = false, allowsParameters: Bool = false) {
    self.mergesSlashes = mergesSlashes
    self.allowsParameters = allowsParameters
  }
}
