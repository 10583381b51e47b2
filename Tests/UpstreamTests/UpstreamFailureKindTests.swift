import TLS
import Testing
import Transport

@testable import Upstream

@Suite struct UpstreamFailureKindTests {
  @Test(arguments: TLSFailure.Kind.allCases)
  func onlyARefusalBeforeAnyAnswerIsTLSs(_ kind: TLSFailure.Kind) {
    let failure = TransportFailure.tls(TLSFailure(kind, ""))
    #expect(UpstreamFailure.Kind(of: failure, hasAnswered: false) == (kind == .refusedByPeer ? .tls : .reset))
    #expect(UpstreamFailure.Kind(of: failure, hasAnswered: true) == .reset)
  }

  @Test func anEndWithoutAWordIsAReset() {
    for failure in [TransportFailure.closed, .timeout] {
      #expect(UpstreamFailure.Kind(of: failure, hasAnswered: false) == .reset)
    }
  }
}
