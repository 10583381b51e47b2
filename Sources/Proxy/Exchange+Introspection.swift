import Bytes
import HTTP
import Tokens

/// Waiting for the issuer's word about a token that says nothing by itself.
extension Exchange {
  /// Whether the request waits now; `answerArrived` follows.
  func waitForAnswer(_ remote: RemoteIntrospection, _ digest: [UInt8], _ token: ByteRange) -> Bool {
    guard worker.introspectionWaiting.wait(self, for: remote, digest, slice(token)) else { return false }
    responseDeadline = loop.now &+ remote.patience
    armClient()
    return true
  }

  /// The answer is there, or has kept the request waiting for too long.
  func answerArrived() {
    guard let (remote, _) = awaitedAnswer else { return }
    awaitedAnswer = nil
    // A reload in between may have put another server, whom nobody has asked, in the place of this one.
    reenter(mayWait: !worker.verifier.providers.contains { $0.introspection === remote })
  }
}
