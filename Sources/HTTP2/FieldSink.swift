import Bytes
import CNghttp2
import HTTP

/// Gathers the fields of a head or of a trailer section for HPACK. Its memory stays for the next one.
///
/// Names may have any case here and are written in lower case (RFC 9113 section 8.2.1). Values are written as they are: they come
/// from a parser that refused line ends, or from the gateway itself. Pseudo-headers must come first; their names begin with a colon.
package struct FieldSink: ~Copyable {
  private struct Entry {
    /// Of the name in `bytes`; the value follows it.
    var start: Int
    var nameCount: Int
    var valueCount: Int
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
  /// Of names and values.
  var byteCount: Int { bytes.count }

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
    append(name, value, isSensitive: isSensitive || FieldSink.isSecret(name))
  }

  /// - Parameter name: none of the four.
  package mutating func field(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>, isSensitive: Bool = false) {
    append(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), value, isSensitive: isSensitive)
  }

  package mutating func field(_ name: StaticString, _ value: StaticString) {
    field(name, UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
  }

  package mutating func field(_ name: StaticString, decimal value: UInt64) {
    field(name) { $0.append(decimal: value) }
  }

  /// A field whose value `compose` appends piece by piece, and appends only.
  package mutating func field(_ name: StaticString, compose: (inout ByteQueue) -> Void) {
    let start = bytes.count
    bytes.append(lowering: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    let middle = bytes.count
    compose(&bytes)
    list(Entry(start: start, nameCount: middle &- start, valueCount: bytes.count &- middle, isSensitive: false))
  }

  /// A field as it was parsed.
  ///
  /// - Parameter head: what `parsed` holds ranges of.
  package mutating func copy(_ parsed: HeaderField, _ head: UnsafeBufferPointer<UInt8>) {
    append(
      head.extracting(parsed.name.bounds), head.extracting(parsed.value.bounds), isSensitive: FieldSink.isSecret(parsed.id))
  }

  /// `:status`.
  package mutating func status(_ code: UInt16) {
    field(":status", decimal: UInt64(code))
  }

  /// Recognised only where the length is one of the four's: most names are none of them.
  private static func isSecret(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
    switch name.count {
    case 6, 10, 13, 19: isSecret(FieldName(recognising: name.span))
    default: false
    }
  }

  private static func isSecret(_ name: FieldName) -> Bool {
    switch name {
    case .authorization, .proxyAuthorization, .cookie, .setCookie: return true
    default: return false
    }
  }

  private mutating func append(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, isSensitive: Bool) {
    let start = bytes.count
    bytes.append(lowering: name, then: value)
    list(Entry(start: start, nameCount: name.count, valueCount: value.count, isSensitive: isSensitive))
  }

  private mutating func list(_ entry: Entry) {
    if count == capacity { grow() }
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

  /// The fields as nghttp2 takes them, who copies names and values. Valid until the next mutation.
  mutating func nameValues() -> UnsafeMutableBufferPointer<nghttp2_nv> {
    guard count > 0 else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
    return nameValues(at: bytes.start, NGHTTP2_NV_FLAG_NONE.rawValue)
  }

  /// The same, for nghttp2 to point into `arena`: one copy instead of one for each name and each value. Where there is no room
  /// for it, nghttp2 copies.
  mutating func nameValues(in arena: inout BlockArena, _ buffers: BufferPool) -> UnsafeMutableBufferPointer<nghttp2_nv> {
    guard let place = arena.copy(bytes.readable, from: buffers) else { return nameValues() }
    return nameValues(at: place, NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
  }

  private func nameValues(at start: UnsafeMutablePointer<UInt8>, _ flags: UInt32) -> UnsafeMutableBufferPointer<nghttp2_nv> {
    guard let entries, let list else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
    for index in 0..<count {
      let entry = entries[index]
      let name = start + entry.start
      (list + index).initialize(
        to: nghttp2_nv(
          name: name, value: name + entry.nameCount, namelen: entry.nameCount, valuelen: entry.valueCount,
          flags: UInt8(flags | (entry.isSensitive ? NGHTTP2_NV_FLAG_NO_INDEX.rawValue : 0))))
    }
    return UnsafeMutableBufferPointer(start: list, count: count)
  }
}
