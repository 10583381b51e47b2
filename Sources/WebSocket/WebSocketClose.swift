import Bytes

/// Close frames (RFC 6455 section 5.5.1) that the gateway itself sends.
package enum WebSocketClose {
  /// 1008: what was allowed is so no longer (RFC 6455 section 7.4.1).
  package static let policyViolation: UInt16 = 1008
  /// 1001: an endpoint goes away, such as a server that shuts down.
  package static let goingAway: UInt16 = 1001

  /// Towards a client: unmasked.
  ///
  /// - Parameter reason: up to 123 bytes.
  package static func frame(_ code: UInt16, _ reason: StaticString) -> [UInt8] {
    [0x88, UInt8(2 + reason.utf8CodeUnitCount)] + payload(code, reason)
  }

  /// Towards a backend: masked, as all that a client sends (RFC 6455 section 5.3).
  package static func maskedFrame(_ code: UInt16, _ reason: StaticString) -> [UInt8] {
    var system = SystemRandomNumberGenerator()
    let mask = (0..<4).map { _ in UInt8.random(in: .min ... .max, using: &system) }
    let masked = payload(code, reason).enumerated().map { $0.element ^ mask[$0.offset & 3] }
    return [0x88, 0x80 | UInt8(masked.count)] + mask + masked
  }

  private static func payload(_ code: UInt16, _ reason: StaticString) -> [UInt8] {
    precondition(reason.utf8CodeUnitCount <= 123)
    return [UInt8(code >> 8), UInt8(code & 0xff)] + [UInt8](reason.bytes)
  }
}
