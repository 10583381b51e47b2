/// The values a claim may have: a scalar or a list of scalars, or `*` for any.
enum ClaimMatchDecoder {
  static func values(_ cursor: Cursor) -> [String]? {
    if cursor.isScalar { return cursor.text().map { [$0] } }
    guard let elements = cursor.list("web, mobile") else { return nil }
    let values = elements.compactMap { $0.text() }
    if values.contains("*"), values.count > 1 {
      cursor.report("`*` is any value: write it alone")
      return nil
    }
    return values.count == elements.count ? values : nil
  }
}
