/// How a list of names is written in a claim. Standards say an array, or names between single spaces; some issuers do otherwise.
package enum StringListForm: Sendable, Hashable {
  /// An array of strings; a lone string is none.
  case array
  /// A lone string is one name; an array is taken as well.
  case single
  /// A lone string is several names with this byte between them; an array is taken as well.
  case separated(by: UInt8)
}
