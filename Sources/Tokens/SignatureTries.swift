/// The signatures that are computed for one token: so many and no more, whatever keys fit and however many providers share its issuer. The
/// same key is tried once.
struct SignatureTries {
  private var known: [(thumbprint: [UInt8], isValid: Bool)] = []

  var mayGoOn: Bool { known.count < KeySet.maximumTries }

  /// What came of the key; nil when it was not tried.
  func result(of key: VerificationKey) -> Bool? { known.first { $0.thumbprint == key.thumbprint }?.isValid }

  mutating func note(_ key: VerificationKey, _ isValid: Bool) { known.append((key.thumbprint, isValid)) }
}
