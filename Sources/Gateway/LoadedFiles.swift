import Configuration
import TLS
import Tokens

/// What one build has made of the files that a configuration names: each is read once, however many rows name it.
///
/// A thousand providers that share a key set, or backends that share an authority, are built in the time of one; and all of one snapshot
/// see the same content of a file that is being replaced.
struct LoadedFiles {
  struct Certificate: Hashable {
    let certificate: String
    let key: String
  }

  var chains: [Certificate: CertificateChain] = [:]
  var authorities: [String: CertificateAuthorities] = [:]
  var keySets: [String: KeySet] = [:]
  /// By everything that such a context is made of.
  var clientContexts: [[String]: ClientTLSContext] = [:]
}
