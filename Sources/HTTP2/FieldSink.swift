import Bytes
import CNghttp2
import HTTP

/// Gathers the fields of a head or of a trailer section for HPACK. Its memory stays for the next one.
///
/// nghttp2 writes names in lower case (RFC 9113 section 8.2.1) as it takes the list over, so they may have any here. Values are
/// written as they are: they come from a parser that refused line ends, or from the gateway itself. Pseudo-headers must come first;
/// their names begin with a colon.
package struct FieldSink: ~Copyable {
  private struct Entry {
    var name: ByteRange
    var value: ByteRange
    var isSensitive: Bool
  }

  private var bytes = ByteQueue()
  private var entries: UnsafeMutablePointer<Entry>?
  private var list: UnsafeMutablePointer<nghttp2_nv>?
  private var capacity = 0
  package private(set) var count = 0

  package init() {}

  deinit {
    entries?.deallocate()
    list?.deallocate()
  }

  package var isEmpty: Bool { count == 0 }

  /// Forgets the fields and keeps the memory.
  package mutating func removeAll() {
    bytes.removeAll()
    count = 0
  }

  /// Forgets the fields and gives the memory back.
  package mutating func release() {
    bytes.release()
    entries?.deallocate()
    list?.deallocate()
    entries = nil
    list = nil
    capacity = 0
    count = 0
  }

  /// - Parameter isSensitive: not to be kept by any HPACK table on the way (RFC 7541 section 7.1.3). `authorization`,
  ///   `proxy-authorization`, `cookie` and `set-cookie` are so without being told.
  package mutating func field(
    _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, isSensitive: Bool = false
  ) {
    let start = bytes.count
    bytes.append(name)
    finish(nameFrom: start, value, isSensitive || FieldSink.isSecret(FieldName(recognising: name.span)))
  }

  /// - Parameter name: none of the four.
  package mutating func field(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>, isSensitive: Bool = false) {
    let start = bytes.count
    bytes.append(name)
    finish(nameFrom: start, value, isSensitive)
  }

  package mutating func field(_ name: StaticString, _ value: StaticString) {
    field(name, UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
  }

  package mutating func field(_ name: StaticString, decimal value: UInt64) {
    let start = bytes.count
    bytes.append(name)
    let middle = bytes.count
    bytes.append(decimal: value)
    append(name: start..<middle, value: middle..<bytes.count, isSensitive: false)
  }

  /// A field whose value `compose` appends piece by piece, and appends only.
  package mutating func field(_ name: StaticString, compose: (inout ByteQueue) -> Void) {
    let start = bytes.count
    bytes.append(name)
    let middle = bytes.count
    compose(&bytes)
    append(name: start..<middle, value: middle..<bytes.count, isSensitive: false)
  }

  /// A field as it was parsed.
  ///
  /// - Parameter head: what `parsed` holds ranges of.
  package mutating func copy(_ parsed: HeaderField, _ head: UnsafeBufferPointer<UInt8>) {
    let start = bytes.count
    bytes.append(UnsafeBufferPointer(rebasing: head[parsed.name.bounds]))
    finish(nameFrom: start, UnsafeBufferPointer(rebasing: head[parsed.value.bounds]), FieldSink.isSecret(parsed.id))
  }

  /// `:status`.
  package mutating func status(_ code: UInt16) {
    field(":status", decimal: UInt64(code))
  }

  private mutating func finish(nameFrom start: Int, _ value: UnsafeBufferPointer<UInt8>, _ isSensitive: Bool) {
    let middle = bytes.count
    bytes.append(value)
    append(name: start..<middle, value: middle..<bytes.count, isSensitive: isSensitive)
  }

  private static func isSecret(_ name: FieldName) -> Bool {
    switch name {
    case .authorization, .proxyAuthorization, .cookie, .setCookie: return true
    default: return false
    }
  }

  private mutating func append(name: Range<Int>, value: Range<Int>, isSensitive: Bool) {
    if count == capacity { grow() }
    let entry = Entry(
      name: ByteRange(offset: name.lowerBound, count: name.count), value: ByteRange(offset: value.lowerBound, count: value.count),
      isSensitive: isSensitive)
    (entries.unsafelyUnwrapped + count).initialize(to: entry)
    count &+= 1
  }

  private mutating func grow() {
    let larger = max(32, capacity * 2)
    let moved = UnsafeMutablePointer<Entry>.allocate(capacity: larger)
    if let entries {
      moved.moveInitialize(from: entries, count: count)
      entries.deallocate()
    }
    list?.deallocate()
    entries = moved
    list = .allocate(capacity: larger)
    capacity = larger
  }

  /// The fields as nghttp2 takes them. Valid until the next mutation.
  mutating func nameValues() -> UnsafeMutableBufferPointer<nghttp2_nv> {
    guard count > 0, let entries, let list else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
    let start = bytes.start
    for index in 0..<count {
      let entry = entries[index]
      let flags = entry.isSensitive ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE
      (list + index).initialize(
        to: nghttp2_nv(
          name: start + entry.name.start, value: start + entry.value.start, namelen: entry.name.length,
          valuelen: entry.value.length, flags: UInt8(flags.rawValue)))
    }
    return UnsafeMutableBufferPointer(start: list, count: count)
  }
}
