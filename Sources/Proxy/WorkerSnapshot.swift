import Tokens
import Upstream

/// A snapshot as one worker holds it: the shared, immutable part, and this worker's connection pools for its backends.
/// The worker's own object, so that a request that keeps it alive touches no other core's memory.
package final class WorkerSnapshot {
  package let proxy: ProxySnapshot
  /// By the backend's index.
  package let pools: [BackendPool]
  package let internalTokens: InternalTokens

  init(proxy: ProxySnapshot, pools: [BackendPool], internalTokens: InternalTokens) {
    self.proxy = proxy
    self.pools = pools
    self.internalTokens = internalTokens
  }
}
