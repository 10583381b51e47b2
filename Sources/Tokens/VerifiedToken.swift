/// A token that was verified, and what was concluded from it since. Belongs to one worker.
package final class VerifiedToken {
  package let bytes: [UInt8]
  package let principal: Principal
  let hash: UInt64
  /// That it was signed with; nil for what is no JWT.
  let key: VerificationKey?
  let algorithm: JOSEAlgorithm?
  let providerFingerprint: [UInt8]
  /// Of a token that its issuer was asked about; `.opaque` for all others.
  let form: TokenForm
  /// `exp` plus the leeway of the provider that vouched, in seconds since 1970: refused from this second on.
  package let validUntil: Int64
  /// Whether having it is not enough: `ProofRules` and `Principal.confirmation` say what is.
  package let needsProof: Bool
  /// Whether it is an API key, which no backend ever sees.
  package let isAPIKey: Bool
  /// Of the last list of revocations that it was found good under; 0 for none.
  var revocationEpoch: UInt32 = 0
  /// Index of the provider that vouched, in the snapshot of `epoch`.
  package private(set) var provider: Int
  /// The snapshot that this was verified, or last found still valid, under.
  package private(set) var epoch: UInt64

  /// What rules answered: 0 is nothing, else the index of the routes' access plus one in the upper 24 bits and the verdict in the
  /// lower 8.
  ///
  /// Eight places, by the index's last bits. A rule that finds its place taken overwrites it, and the other is computed again
  /// when it comes back: one byte for each of 10,000 rules would make each token five times as heavy.
  private var verdicts = SIMD8<UInt32>.zero

  private var minted: [(backend: Int, token: MintedToken)] = []
  /// A token called for more backends than this mints anew for some of them.
  private static let maximumMinted = 8
  /// Whether the cache keeps it now.
  var isCached = false
  /// The mark of `VerifiedTokenCache`'s clock.
  var wasUsed = false
  /// Bytes of memory, minted tokens included; and without them.
  private(set) var footprint: Int
  private let ownFootprint: Int
  /// Until when the entry may be used without asking its issuer again, in seconds since 1970; never after `validUntil`.
  let freshUntil: Int64

  init(
    bytes: [UInt8], hash: UInt64, principal: Principal, key: VerificationKey?, algorithm: JOSEAlgorithm?, provider: Int,
    providerFingerprint: [UInt8], validUntil: Int64, freshUntil: Int64 = .max, needsProof: Bool = false, isAPIKey: Bool = false,
    form: TokenForm = .opaque, epoch: UInt64
  ) {
    self.isAPIKey = isAPIKey
    self.form = form
    self.needsProof = needsProof
    self.bytes = bytes
    self.hash = hash
    self.principal = principal
    self.key = key
    self.algorithm = algorithm
    self.provider = provider
    self.providerFingerprint = providerFingerprint
    self.validUntil = validUntil
    self.freshUntil = min(freshUntil, validUntil)
    self.epoch = epoch
    ownFootprint = Footprint.malloc(Self.instanceSize) + Footprint.of(bytes) + principal.footprint + form.footprint
    footprint = ownFootprint
  }

  /// Bytes of one instance, its head and its fields with their gaps: checked by a test against the runtime's own number.
  static let instanceSize = 240

  /// What the rule of `access` answered for this token under the current snapshot; 0 when it was not asked or was forgotten.
  package func verdict(access: Int) -> UInt8 {
    let held = verdicts[access & 7]
    return held >> 8 == UInt32(truncatingIfNeeded: access + 1) ? UInt8(truncatingIfNeeded: held) : 0
  }

  /// - Parameters:
  ///   - verdict: 1…255, for the caller to give a meaning.
  ///   - access: the index of what the routes share, below 2^24 - 1; beyond that nothing is remembered.
  package func remember(verdict: UInt8, access: Int) {
    guard access >= 0, access < 0xff_ffff else { return }
    verdicts[access & 7] = UInt32(access + 1) << 8 | UInt32(verdict)
  }

  /// The internal token minted for `backend`, while it may be used again and `minter` is the one that made it.
  package func minted(backend: Int, by minter: InternalTokenMinter?, now: Int64) -> MintedToken? {
    for index in 0..<minted.count where minted[index].backend == backend {
      let token = minted[index].token
      return now < token.reuseUntil && token.minter === minter ? token : nil
    }
    return nil
  }

  func forgetMinted() {
    minted = []
    footprint = ownFootprint
  }

  func remember(minted token: MintedToken, backend: Int) {
    if let index = minted.firstIndex(where: { $0.backend == backend }) {
      minted[index].token = token
    } else if minted.count < Self.maximumMinted {
      minted.append((backend, token))
    } else {
      minted[backend % Self.maximumMinted] = (backend, token)
    }
    footprint =
      ownFootprint
      + minted.reduce(Footprint.array(minted.capacity, stride: 16)) { $0 + $1.token.footprint }
  }

  /// Takes the entry over into a new snapshot, in which `provider` is the index of the provider that vouched. What routes and
  /// backends concluded belongs to the old one.
  func revalidate(provider: Int, epoch: UInt64) {
    self.provider = provider
    self.epoch = epoch
    verdicts = .zero
    forgetMinted()
  }
}
