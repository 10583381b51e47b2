import Testing

@testable import Upstream

@Suite struct BackendPatienceTests {
  @Test func timeRunsWhileTheGatewayReads() {
    var patience = BackendPatience()
    #expect(patience.expect(100) == 100)
    #expect(patience.expect(0) == 0)
    #expect(patience.goOn() == nil)
  }

  @Test func timeStandsStillWhileItDoesNot() {
    var patience = BackendPatience()
    _ = patience.expect(100)
    patience.hold()
    #expect(patience.expect(300) == 0)
    patience.hold()
    #expect(patience.goOn() == 300)
    #expect(patience.goOn() == nil)
    #expect(patience.expect(100) == 100)
  }
}
