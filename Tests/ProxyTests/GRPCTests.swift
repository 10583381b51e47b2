import Proxy
import Testing

struct GRPCTests {
  @Test(
    arguments: [
      ("application/grpc", true), ("application/grpc+proto", true), ("Application/GRPC;charset=x", true),
      ("application/grpc-web", false), ("application/grpc-web+proto", false), ("application/grpcx", false),
      ("application/grp", false), ("", false), (" application/grpc", false), ("text/plain, application/grpc", false),
    ])
  func `A call is known by its content type`(value: String, expected: Bool) {
    #expect(Array(value.utf8).withUnsafeBufferPointer { GRPC.isCall(contentType: $0) } == expected)
  }

  @Test(
    arguments: [
      ("1S", 1_000), ("100m", 100), ("0m", 0), ("1u", 1), ("1000u", 1), ("1001u", 2), ("1n", 1), ("99999999H", 359_999_996_400_000),
      ("2M", 120_000), ("00000001S", 1_000),
    ] as [(String, Int)])
  func `A timeout is up to eight digits and a unit`(value: String, milliseconds: Int) {
    #expect(Array(value.utf8).withUnsafeBufferPointer { GRPC.timeout($0) } == milliseconds)
  }

  @Test(arguments: ["", "S", "1", "1s", "1h", "-1S", "+1S", " 1S", "1 S", "1.5S", "100000000S", "0x1S", "1SS", "S1"])
  func `Anything else is none`(value: String) {
    #expect(Array(value.utf8).withUnsafeBufferPointer { GRPC.timeout($0) } == nil)
  }

  @Test func `Every refusal has a status that is not OK`() {
    for error in GatewayError.allCases {
      let status = GRPC.status(error)
      #expect(status > 0 && status <= 16, "\(error.code)")
      let text = "\(error.code): \(error.title)"
      #expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f && $0 != 0x25 }, "needs escaping: \(text)")
    }
    #expect(GRPC.status(.tokenMissing) == 16 && GRPC.status(.scopeMissing) == 7 && GRPC.status(.noRoute) == 12)
    #expect(GRPC.status(.bodyTooLarge) == 8 && GRPC.status(.upstreamTimeout) == 4 && GRPC.status(.upstreamReset) == 14)
    #expect(GRPC.status(.badRequest) == 13 && GRPC.status(.internalError) == 13 && GRPC.status(.draining) == 14)
  }
}
