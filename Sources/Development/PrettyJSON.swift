import JSON

/// JSON laid out for a person at a terminal: two spaces a level, short values on one line.
enum PrettyJSON {
  static func bytes(_ value: JSONValue) -> [UInt8] {
    var bytes: [UInt8] = []
    append(value, indent: 0, to: &bytes)
    bytes.append(UInt8(ascii: "\n"))
    return bytes
  }

  private static func append(_ value: JSONValue, indent: Int, to bytes: inout [UInt8]) {
    switch value {
    case .object(let members) where !members.isEmpty:
      lines(members.count, "{", "}", indent, &bytes) { index, bytes in
        JSONWriter.append(string: members[index].name, to: &bytes)
        bytes += ": ".utf8
        append(members[index].value, indent: indent + 1, to: &bytes)
      }
    case .array(let elements) where elements.contains { $0.members != nil || $0.elements != nil }:
      lines(elements.count, "[", "]", indent, &bytes) { index, bytes in append(elements[index], indent: indent + 1, to: &bytes) }
    default: JSONWriter.append(value, to: &bytes)
    }
  }

  private static func lines(
    _ count: Int, _ open: String, _ close: String, _ indent: Int, _ bytes: inout [UInt8], _ item: (Int, inout [UInt8]) -> Void
  ) {
    bytes += open.utf8
    for index in 0..<count {
      bytes += (index == 0 ? "\n" : ",\n").utf8
      bytes += repeatElement(UInt8(ascii: " "), count: 2 * (indent + 1))
      item(index, &bytes)
    }
    bytes += "\n".utf8
    bytes += repeatElement(UInt8(ascii: " "), count: 2 * indent)
    bytes += close.utf8
  }
}
