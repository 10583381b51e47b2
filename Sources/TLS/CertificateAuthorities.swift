import COpenSSL

/// The certificates of a CA file: the only roots a peer's chain may end at. The system's are never among them.
package final class CertificateAuthorities: @unchecked Sendable {
  // Immutable after `init`; an X509_STORE locks itself.
  let store: OpaquePointer
  let certificates: [OpaquePointer]
  /// The file they were read from.
  package let path: String
  /// SHA-256 of the certificates' thumbprints, sorted: the same for the same set, in whatever order the file has it.
  package let fingerprint: [UInt8]
  /// SHA-256 of each certificate.
  let thumbprints: Set<[UInt8]>

  /// - Throws: when the file is missing, unreadable, damaged or holds no certificate.
  package init(path: String) throws(TLSConfigurationError) {
    let read = try PEMFile.certificates(path)
    guard let store = X509_STORE_new() else {
      read.forEach { X509_free($0) }
      throw TLSConfigurationError("\(path): out of memory")
    }
    self.store = store
    self.path = path
    certificates = read
    let sorted = read.map { thumbprint(of: $0) }.sorted { $0.lexicographicallyPrecedes($1) }
    fingerprint = sha256(sorted.flatMap { $0 })
    thumbprints = Set(sorted)
    ERR_clear_error()
    for certificate in certificates where X509_STORE_add_cert(store, certificate) != 1 {
      throw TLSConfigurationError("\(path): OpenSSL refuses a certificate (\(OpenSSLError.drain()))")
    }
  }

  /// What an operator should know of them: a chain can end at none of the certificates that are named here.
  ///
  /// - Parameter now: seconds since 1970.
  package func shortcomings(at now: Int64) -> [String] {
    var found: [String] = []
    for (index, certificate) in certificates.enumerated() {
      let which = certificates.count == 1 ? "\(path)" : "certificate \(index + 1) of \(path)"
      ERR_clear_error()
      if X509_check_ca(certificate) == 0 {
        found.append("\(which) is no authority's: it vouches for nobody. Write the file of the authority that signed it")
      }
      ERR_clear_error()
      if let end = expiry(of: certificate), end <= now { found.append("\(which) has expired: whoever it vouched for is refused") }
    }
    return found
  }

  deinit {
    X509_STORE_free(store)
    certificates.forEach { X509_free($0) }
  }
}

/// SHA-256 of `bytes`, 32 bytes.
func sha256(_ bytes: [UInt8]) -> [UInt8] {
  var digest = [UInt8](repeating: 0, count: 32)
  let done = EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
  precondition(done == 1, "SHA-256 is built into OpenSSL")
  return digest
}
