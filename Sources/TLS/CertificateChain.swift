import CLinux
import COpenSSL

/// A certificate with its intermediates and its private key, read from PEM files and checked to belong together.
package final class CertificateChain: @unchecked Sendable {
  // Immutable after `init`; OpenSSL counts references to these atomically.
  let leaf: OpaquePointer
  let intermediates: [OpaquePointer]
  let key: OpaquePointer

  /// The file the certificate was read from.
  package let path: String
  /// The leaf's notAfter in Unix seconds.
  package let notAfter: Int64
  /// SHA-256 of the leaf's DER, 32 bytes.
  package let thumbprint: [UInt8]
  /// The leaf's DNS names, in lower case.
  package let dnsNames: [String]
  /// The leaf's URI names.
  package let uris: [String]

  /// Reads a chain, leaf first, and the leaf's key.
  ///
  /// An expired certificate loads: whether to serve it or refuse it is the caller's choice (`isExpired(at:)`).
  /// - Throws: when a file is missing, unreadable, damaged or encrypted, or the key is not the leaf's. Both files are looked at.
  package init(certificate path: String, key keyPath: String) throws(TLSConfigurationError) {
    let certificates: [OpaquePointer]
    do {
      certificates = try PEMFile.certificates(path)
    } catch {
      throw TLSConfigurationError(error.message, others: Self.fault(ofKey: keyPath))
    }
    let privateKey: OpaquePointer
    do {
      privateKey = try PEMFile.privateKey(keyPath)
    } catch {
      certificates.forEach { X509_free($0) }
      throw TLSConfigurationError(error.message, .key)
    }
    leaf = certificates[0]
    intermediates = Array(certificates.dropFirst())
    key = privateKey
    self.path = path
    let names = SubjectAlternativeNames(of: certificates[0])
    // From here on `deinit` frees what was read, thrown or not: every property is set before the first throw.
    let end = expiry(of: certificates[0])
    notAfter = end ?? 0
    thumbprint = TLS.thumbprint(of: certificates[0])
    dnsNames = names.dnsNames.map { String(decoding: $0, as: UTF8.self).lowercased() }
    uris = names.uris.map { String(decoding: $0, as: UTF8.self) }
    if end == nil { throw TLSConfigurationError("\(path): the certificate's notAfter cannot be read") }
    let matches = X509_check_private_key(leaf, key) == 1
    ERR_clear_error()
    if !matches { throw TLSConfigurationError("\(keyPath): is not the key of the certificate in \(path)", .key) }
  }

  /// What is wrong with a key's file, if anything is.
  private static func fault(ofKey path: String) -> [TLSConfigurationError] {
    do {
      EVP_PKEY_free(try PEMFile.privateKey(path))
      return []
    } catch {
      return [TLSConfigurationError(error.message, .key)]
    }
  }

  deinit {
    X509_free(leaf)
    intermediates.forEach { X509_free($0) }
    EVP_PKEY_free(key)
  }

  /// - Parameter now: Unix seconds.
  package func isExpired(at now: Int64) -> Bool { notAfter < now }

  /// The thumbprint in base64url without padding, 43 bytes: the value of `x5t#S256` (RFC 8705 section 3.1).
  package var thumbprintText: [UInt8] {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(43)
    var bits: UInt32 = 0
    var held = 0
    for byte in thumbprint {
      bits = bits << 8 | UInt32(byte)
      held += 8
      while held >= 6 {
        held -= 6
        text.append(alphabet[Int(bits >> UInt32(held)) & 63])
      }
    }
    text.append(alphabet[Int(bits << UInt32(6 - held)) & 63])
    return text
  }

  /// Puts certificate, intermediates and key into an `SSL_CTX`.
  func install(in context: OpaquePointer) throws(TLSConfigurationError) {
    guard let chain = OPENSSL_sk_new_null() else { throw TLSConfigurationError("\(path): out of memory") }
    defer { OPENSSL_sk_free(chain) }
    for certificate in intermediates { OPENSSL_sk_push(chain, UnsafeRawPointer(certificate)) }
    ERR_clear_error()
    if SSL_CTX_use_cert_and_key(context, leaf, key, chain, 1) != 1 {
      throw TLSConfigurationError("\(path): OpenSSL refuses the certificate (\(OpenSSLError.drain()))")
    }
  }
}
