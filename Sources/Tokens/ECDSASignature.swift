/// The two spellings of an ECDSA signature: JWS has r and s at the curve's full width, one after the other (RFC 7518
/// section 3.4); OpenSSL takes and gives DER, a SEQUENCE of two INTEGERs.
enum ECDSASignature {
  /// P-521: two integers of 66 bytes and perhaps a zero byte, their heads, and the sequence's head with a long length.
  static let maximumDERCount = 3 + 2 * (2 + 67)

  /// Writes `raw`, an even number of bytes up to 132, as DER. Returns the bytes written.
  static func encodeDER(_ raw: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>) -> Int {
    precondition(raw.count & 1 == 0 && raw.count <= 132 && output.count >= maximumDERCount)
    let width = raw.count / 2
    let r = UnsafeBufferPointer(rebasing: raw[..<width])
    let s = UnsafeBufferPointer(rebasing: raw[width...])
    let content = integerCount(r) + integerCount(s)
    var count = 0
    output[count] = 0x30
    count += 1
    if content > 127 {
      output[count] = 0x81
      count += 1
    }
    output[count] = UInt8(content)
    count += 1
    count += encodeInteger(r, into: output, at: count)
    count += encodeInteger(s, into: output, at: count)
    return count
  }

  private static func significant(_ number: UnsafeBufferPointer<UInt8>) -> Int {
    var first = 0
    while first < number.count - 1, number[first] == 0 { first += 1 }
    return first
  }

  /// Bytes of the INTEGER with its head.
  private static func integerCount(_ number: UnsafeBufferPointer<UInt8>) -> Int {
    let first = significant(number)
    return 2 + number.count - first + (number[first] >= 0x80 ? 1 : 0)
  }

  private static func encodeInteger(
    _ number: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>, at start: Int
  ) -> Int {
    let first = significant(number)
    let count = integerCount(number)
    var index = start
    output[index] = 0x02
    output[index + 1] = UInt8(count - 2)
    index += 2
    if number[first] >= 0x80 {
      output[index] = 0
      index += 1
    }
    for position in first..<number.count {
      output[index] = number[position]
      index += 1
    }
    return count
  }

  /// Reads DER with a short length, as OpenSSL writes it for P-256, into r and s of `raw.count / 2` bytes each.
  static func decodeDER(_ der: UnsafeBufferPointer<UInt8>, into raw: UnsafeMutableBufferPointer<UInt8>) -> Bool {
    guard der.count >= 2, der[0] == 0x30, der[1] < 0x80, Int(der[1]) == der.count - 2 else { return false }
    let width = raw.count / 2
    var index = 2
    for half in 0..<2 {
      guard der.count - index >= 2, der[index] == 0x02 else { return false }
      var count = Int(der[index + 1])
      index += 2
      guard count > 0, count <= der.count - index else { return false }
      if der[index] == 0 {
        index += 1
        count -= 1
      }
      guard count <= width else { return false }
      let start = half * width
      for position in 0..<width {
        raw[start + position] = position < width - count ? 0 : der[index + position - (width - count)]
      }
      index += count
    }
    return index == der.count
  }
}
