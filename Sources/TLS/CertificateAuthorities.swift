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

  /// - Throws: when the file is missing, unreadable, damaged, or holds no certificate that a chain can end at.
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
    // X509_V_FLAG_PARTIAL_CHAIN is not set: what somebody else has signed leads on to him, and never is an end.
    guard certificates.contains(where: Self.isRoot) else {
      throw TLSConfigurationError(
        "\(path): holds no certificate that signed itself, so no chain ends here and nobody could be verified: write the file of the root "
          + "authority")
    }
  }

  /// Whether a chain can end here.
  private static func isRoot(_ certificate: OpaquePointer) -> Bool {
    ERR_clear_error()
    let isRoot = X509_self_signed(certificate, 0) == 1
    ERR_clear_error()
    return isRoot
  }

  /// What an operator should know of them: certificates that vouch for nobody, or for less than an authority does.
  ///
  /// - Parameter now: seconds since 1970.
  package func shortcomings(at now: Int64) -> [String] {
    var found: [String] = []
    for (index, certificate) in certificates.enumerated() {
      let which = certificates.count == 1 ? "\(path)" : "certificate \(index + 1) of \(path)"
      ERR_clear_error()
      if X509_check_ca(certificate) == 0 {
        let reach =
          Self.isRoot(certificate)
          ? "for itself alone, so a new one is refused until it stands here"
          : "for nobody. Write the file of the authority that signed it"
        found.append("\(which) is no authority's: it vouches \(reach)")
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
