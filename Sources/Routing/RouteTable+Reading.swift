import Bytes
import HTTP

/// How the fields that routes decide by are read, where they can be read in more than one way.
enum FieldReading {
  /// There is one way only.
  case asSent
  /// A field has each value of its list.
  case each
  /// A list is none of its values, and what `Connection` nominates is not there: no backend gets it.
  case none
}

extension RouteTable {
  /// Whether a field that some route decides by may be another one to a backend: it is a list, in one line or in several, of which one
  /// element is what a route asks for, or it ends here. A backend may take the first element, the last, all, or none.
  func isDoubtful(_ fields: borrowing HeaderBlock, _ search: borrowing RouteSearch) -> Bool {
    for name in matchedNames where isDoubtful(name, fields, search) { return true }
    return false
  }

  private func isDoubtful(_ name: MatchedName, _ fields: borrowing HeaderBlock, _ search: borrowing RouteSearch) -> Bool {
    let known = search.text.extracting(name.name.bounds)
    var lines = 0
    var isList = false
    var hasElement = false
    var hasValue = false
    for index in 0..<fields.count {
      let field = fields[index]
      guard field.name.length == name.name.length, Self.equalsLowercased(search.bytes.extracting(field.name.bounds), known) else {
        continue
      }
      if field.isNominated { return true }
      lines &+= 1
      let value = search.bytes.extracting(field.value.bounds)
      var elements = FieldElements(value)
      while let element = elements.next(value) {
        if element.length < value.count { isList = true }
        if isAskedFor(value.extracting(element.bounds), name, search) { hasElement = true }
      }
      // What a route asks for may have a comma itself.
      if isAskedFor(value, name, search) { hasValue = true }
    }
    return lines > 1 ? hasElement || hasValue : isList && hasElement
  }

  private func isAskedFor(_ value: Span<UInt8>, _ name: MatchedName, _ search: borrowing RouteSearch) -> Bool {
    for index in name.headers.bounds {
      let header = matchedHeaders[index]
      if !header.isPresence, value.equals(search.text.extracting(header.value.bounds)) { return true }
    }
    return false
  }

  func headerHolds(_ header: Header, _ fields: borrowing HeaderBlock, _ search: borrowing RouteSearch) -> Bool {
    let (bytes, text) = (search.bytes, search.text)
    let wanted = text.extracting(header.value.bounds)
    var lines = 0
    var hasValue = false
    for index in 0..<fields.count {
      let field = fields[index]
      guard Self.equalsLowercased(bytes.extracting(field.name.bounds), text.extracting(header.name.bounds)) else { continue }
      if case .none = search.reading, field.isNominated { continue }
      if header.isPresence { return true }
      lines &+= 1
      let value = bytes.extracting(field.value.bounds)
      if value.equals(wanted) { hasValue = true }
      guard case .each = search.reading else { continue }
      var elements = FieldElements(value)
      while let element = elements.next(value) {
        if value.extracting(element.bounds).equals(wanted) { hasValue = true }
      }
    }
    if case .none = search.reading { return hasValue && lines == 1 }
    return hasValue
  }
}

/// The elements of a field's value, if it is a list (RFC 9110 section 5.6.1): what stands between commas, without white space around
/// it, empty ones too.
private struct FieldElements {
  private var position = 0
  private let end: Int

  init(_ value: Span<UInt8>) { end = value.count }

  mutating func next(_ value: Span<UInt8>) -> ByteRange? {
    guard position <= end else { return nil }
    var start = position
    var stop = position
    while stop < end, value[stop] != UInt8(ascii: ",") { stop &+= 1 }
    position = stop &+ 1
    while start < stop, value[start] == 0x20 || value[start] == 0x09 { start &+= 1 }
    while stop > start, value[stop &- 1] == 0x20 || value[stop &- 1] == 0x09 { stop &-= 1 }
    return ByteRange(offset: start, count: stop &- start)
  }
}
