import CLinux
import COpenSSL

/// The names of a certificate that this project reads: DNS names and URIs of its subjectAltName (RFC 5280 section 4.2.1.6).
///
/// Names are kept as the bytes of the certificate, so that comparing is exact and a NUL inside ends nothing.
struct SubjectAlternativeNames {
  private(set) var dnsNames: [[UInt8]] = []
  private(set) var uris: [[UInt8]] = []

  init(of certificate: OpaquePointer) {
    guard let extensionValue = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else {
      ERR_clear_error()
      return
    }
    let names = OpaquePointer(extensionValue)
    defer { GENERAL_NAMES_free(names) }
    for index in 0..<max(0, OPENSSL_sk_num(names)) {
      guard let entry = OPENSSL_sk_value(names, index) else { continue }
      let name = entry.assumingMemoryBound(to: GENERAL_NAME.self).pointee
      switch name.type {
      case GEN_DNS: dnsNames.append(Self.bytes(name.d.dNSName))
      case GEN_URI: uris.append(Self.bytes(name.d.uniformResourceIdentifier))
      default: break
      }
    }
  }

  private static func bytes(_ string: UnsafeMutablePointer<ASN1_IA5STRING>?) -> [UInt8] {
    guard let data = ASN1_STRING_get0_data(string) else { return [] }
    return Array(UnsafeBufferPointer(start: data, count: Int(max(0, ASN1_STRING_length(string)))))
  }
}

/// The last common name of a certificate's subject, in UTF-8. For logs; never for a decision.
func commonName(of certificate: OpaquePointer) -> [UInt8]? {
  guard let subject = X509_get_subject_name(certificate) else { return nil }
  var index: Int32 = -1
  while true {
    let next = X509_NAME_get_index_by_NID(subject, NID_commonName, index)
    if next < 0 { break }
    index = next
  }
  guard index >= 0, let data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)) else { return nil }
  var text: UnsafeMutablePointer<UInt8>?
  let count = ASN1_STRING_to_UTF8(&text, data)
  guard count >= 0, let text else {
    ERR_clear_error()
    return nil
  }
  defer { CRYPTO_free(text, #file, #line) }
  return Array(UnsafeBufferPointer(start: text, count: Int(count)))
}

/// SHA-256 of the certificate's DER, 32 bytes: `x5t#S256` before its base64url (RFC 8705 section 3.1).
func thumbprint(of certificate: OpaquePointer) -> [UInt8] {
  var digest = [UInt8](repeating: 0, count: 32)
  var count: UInt32 = 0
  let done = X509_digest(certificate, EVP_sha256(), &digest, &count)
  precondition(done == 1 && count == 32, "SHA-256 is built into OpenSSL")
  return digest
}

/// The time after which the certificate is no longer valid, in Unix seconds; nil when it cannot be read.
func expiry(of certificate: OpaquePointer) -> Int64? {
  var broken = tm()
  guard let time = X509_get0_notAfter(certificate), ASN1_TIME_to_tm(time, &broken) == 1 else {
    ERR_clear_error()
    return nil
  }
  return Int64(timegm(&broken))
}
