/// The two spellings of an ECDSA signature: JWS has r and s at the curve's full width, one after the other (RFC 7518
/// section 3.4); OpenSSL takes and gives DER, a SEQUENCE of two INTEGERs.
enum ECDSASignature {
  /// P-521: two integers of 66 bytes and perhaps a zero byte, their heads, and the sequence's head with a long length.
  static let maximumDERCount = 3 + 2 * (2 + 67)

  /// `raw` as DER; nil when it is not an even number of bytes from 2 to 132.
  static func der(_ raw: Span<UInt8>) -> [UInt8]? {
    guard raw.count >= 2, raw.count & 1 == 0, raw.count <= 132 else { return nil }
    let r = raw.extracting(..<(raw.count / 2))
    let s = raw.extracting((raw.count / 2)...)
    let content = integerCount(r) + integerCount(s)
    var output: [UInt8] = []
    output.reserveCapacity(maximumDERCount)
    output.append(0x30)
    if content > 127 { output.append(0x81) }
    output.append(UInt8(content))
    append(r, to: &output)
    append(s, to: &output)
    return output
  }

  private static func significant(_ number: Span<UInt8>) -> Int {
    var first = 0
    while first < number.count - 1, number[first] == 0 { first += 1 }
    return first
  }

  /// Bytes of the INTEGER with its head.
  private static func integerCount(_ number: Span<UInt8>) -> Int {
    let first = significant(number)
    return 2 + number.count - first + (number[first] >= 0x80 ? 1 : 0)
  }

  private static func append(_ number: Span<UInt8>, to output: inout [UInt8]) {
    let first = significant(number)
    output.append(0x02)
    output.append(UInt8(integerCount(number) - 2))
    if number[first] >= 0x80 { output.append(0) }
    for position in first..<number.count { output.append(number[position]) }
  }

  /// r and s of P-256 out of DER, which has a short length then; nil when it is none.
  static func p256(_ der: Span<UInt8>) -> InlineArray<64, UInt8>? {
    guard der.count >= 2, der[0] == 0x30, der[1] < 0x80, Int(der[1]) == der.count - 2 else { return nil }
    let width = 32
    var raw = InlineArray<64, UInt8>(repeating: 0)
    var index = 2
    for half in 0..<2 {
      guard der.count - index >= 2, der[index] == 0x02 else { return nil }
      var count = Int(der[index + 1])
      index += 2
      guard count > 0, count <= der.count - index else { return nil }
      if der[index] == 0 {
        index += 1
        count -= 1
      }
      guard count <= width else { return nil }
      for position in 0..<count { raw[(half + 1) * width - count + position] = der[index + position] }
      index += count
    }
    return index == der.count ? raw : nil
  }
}
