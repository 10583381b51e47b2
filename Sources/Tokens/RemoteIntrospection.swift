/// A provider's introspection endpoint as workers know it (RFC 7662): whom to ask about a token, and for how long an answer is
/// good. The asking itself is the control thread's. Shared by all threads.
package final class RemoteIntrospection: Sendable {
  /// The provider's name.
  package let name: String
  /// The name first. Equal for two configurations exactly if they ask the same server as the same client: answers then outlive a
  /// reload.
  package let identity: [String]
  /// Seconds that a good answer may be used for; 0 asks for each request that comes alone.
  package let lifetime: Int64
  /// Seconds for which a token that is not active is refused without asking again.
  package let inactiveLifetime: Int64
  /// Milliseconds that a request waits for an answer.
  package let patience: UInt64

  package init(name: String, identity: [String], lifetime: Int64, inactiveLifetime: Int64, patience: UInt64) {
    self.name = name
    self.identity = identity
    self.lifetime = max(0, lifetime)
    self.inactiveLifetime = max(0, inactiveLifetime)
    self.patience = patience
  }

  /// Whether this is `other`, with the same times.
  package func isLike(_ other: RemoteIntrospection) -> Bool {
    identity == other.identity && lifetime == other.lifetime && inactiveLifetime == other.inactiveLifetime && patience == other.patience
  }
}
