import Bytes
import JSON

/// Makes the internal tokens for one backend with one key, bound to the client certificate that carries them. Immutable: another
/// key, certificate or rule is another minter, and what this one has made is not used again once it is replaced.
package final class InternalTokenMinter: Sendable {
  package let key: SigningKey
  package let profile: InternalTokenRules.Profile
  private let ttl: Int64
  private let maximumBytes: Int
  /// The encoded header and its dot.
  private let prefix: [UInt8]
  /// The payload up to the value of `sub`.
  private let opening: [UInt8]
  private let claims: [(member: [UInt8], path: [UInt8])]
  /// Members that are the same in every token, each with a comma before it; the last ends the object.
  private let closing: [UInt8]
  /// Where `scope` of a Txn-Token comes from, when a rule says so.
  private let scope: ClaimRule.Source?

  /// Actors within actors that are copied (RFC 8693 section 4.1): those further in tell of the past, and decide nothing.
  static let maximumActors = 4

  /// - Throws: for a reserved claim, or one named twice.
  package init(key: SigningKey, rules: InternalTokenRules) throws(KeySetError) {
    try rules.validate()
    self.key = key
    profile = rules.profile
    ttl = rules.ttl
    maximumBytes = rules.maximumBytes
    prefix =
      Base64URL.encode(
        Array("{\"alg\":\"\(key.algorithm.name)\",\"typ\":\"\(rules.profile.type)\",\"kid\":".utf8)
          + JSONWriter.bytes(JSONValue(text: key.kid)) + [0x7d]) + [UInt8(ascii: ".")]
    opening =
      Array(#"{"iss":"#.utf8) + JSONWriter.bytes(JSONValue(text: rules.issuer)) + Array(#","aud":"#.utf8)
      + JSONWriter.bytes(JSONValue(text: rules.audience)) + Array(#","sub":"#.utf8)
    let isTransaction = rules.profile == .transaction
    scope = isTransaction ? rules.claims.first { $0.name == "scope" }?.source : nil
    var claims: [(member: [UInt8], path: [UInt8])] = []
    var closing: [UInt8] = []
    for claim in rules.claims where claim.name != "sub" && !(isTransaction && claim.name == "scope") {
      switch claim.source {
      case .path(let path): claims.append((Self.member(claim.name), Array(path.utf8)))
      case .constant(let value): closing += Self.member(claim.name) + JSONWriter.bytes(value)
      }
    }
    if isTransaction { closing += Self.member("req_wl") + JSONWriter.bytes(JSONValue(text: rules.workload)) }
    closing += Array(#","cnf":{"x5t#S256":"#.utf8) + JSONWriter.bytes(.string(rules.confirmation)) + Array("}}".utf8)
    self.claims = claims
    self.closing = closing
  }

  private static func member(_ name: String) -> [UInt8] { [0x2c] + JSONWriter.bytes(JSONValue(text: name)) + [0x3a] }

  /// A new token, which ends no later than the access token's `exp`; while only leeway keeps that alive, no later than the leeway.
  ///
  /// - Parameters:
  ///   - validUntil: until when the access token is accepted: its `exp` and the provider's leeway.
  ///   - now: seconds since 1970.
  ///   - transaction: for the transaction profile, which needs it.
  ///   - signer: the worker's.
  ///   - payload: the caller's scratch memory; what was in it is gone.
  package func mint(
    principal: Principal, validUntil: Int64, now: Int64, transaction: TransactionContext? = nil,
    signer: TokenSigner = TokenSigner(), payload: inout [UInt8]
  ) throws(MintFailure) -> MintedToken {
    let expires = min(now + ttl, principal.expiresAt > now ? principal.expiresAt : validUntil)
    guard expires > now else { throw .expired }
    payload.removeAll(keepingCapacity: true)
    payload.append(contentsOf: opening)
    JSONWriter.append(string: principal.subject, to: &payload)
    Self.append(#","iat":"#, to: &payload)
    JSONWriter.append(integer: now, to: &payload)
    Self.append(#","exp":"#, to: &payload)
    JSONWriter.append(integer: expires, to: &payload)
    for claim in claims {
      guard let value = principal.claims.value(at: claim.path) else { continue }
      payload.append(contentsOf: claim.member)
      JSONWriter.append(value, to: &payload)
    }
    if let actor = principal.claims.member("act" as StaticString) {
      Self.append(#","act":"#, to: &payload)
      try Self.append(actor: actor, depth: 1, to: &payload)
    }
    Self.append(#","idp":"#, to: &payload)
    JSONWriter.append(string: principal.issuer, to: &payload)
    if profile == .transaction {
      guard let transaction else { throw .signature }
      append(transaction, of: principal, to: &payload)
    }
    payload.append(contentsOf: closing)
    let count = prefix.count + Base64URL.encodedCount(payload.count) + 1 + Base64URL.encodedCount(SigningKey.signatureCount)
    guard count <= maximumBytes else { throw .tooLarge }
    return try sign(payload, signer, count: count, now: now, expires: expires)
  }

  private static func append(_ text: StaticString, to payload: inout [UInt8]) {
    payload.append(contentsOf: text.bytes)
  }

  /// The actor, and those behind it as far as they are kept.
  private static func append(actor: JSONValue, depth: Int, to payload: inout [UInt8]) throws(MintFailure) {
    guard let members = actor.members else { throw .actor }
    payload.append(UInt8(ascii: "{"))
    var isFirst = true
    for member in members {
      let isActor = member.name.elementsEqual("act".utf8)
      if isActor, member.value.members == nil { throw .actor }
      if isActor, depth == maximumActors { continue }
      if !isFirst { payload.append(UInt8(ascii: ",")) }
      isFirst = false
      JSONWriter.append(string: member.name, to: &payload)
      payload.append(UInt8(ascii: ":"))
      if isActor {
        try append(actor: member.value, depth: depth + 1, to: &payload)
      } else {
        JSONWriter.append(member.value, to: &payload)
      }
    }
    payload.append(UInt8(ascii: "}"))
  }

  /// `txn`, `scope`, `rctx` and `tctx` (draft-ietf-oauth-transaction-tokens, "JWT Body Claims").
  private func append(_ transaction: borrowing TransactionContext, of principal: Principal, to payload: inout [UInt8]) {
    Self.append(#","txn":"#, to: &payload)
    JSONWriter.append(string: transaction.id, to: &payload)
    Self.append(#","scope":"#, to: &payload)
    appendScope(transaction, principal, to: &payload)
    Self.append(#","rctx":{"req_ip":"#, to: &payload)
    JSONWriter.append(string: transaction.clientAddress, to: &payload)
    Self.append(#","authn":""#, to: &payload)
    Self.append(principal.authenticationMethod, to: &payload)
    Self.append(#""},"tctx":{"method":"#, to: &payload)
    JSONWriter.append(string: transaction.method, to: &payload)
    payload.append(contentsOf: transaction.route)
    payload.append(UInt8(ascii: "}"))
  }

  /// As narrow as it is known: what a rule says, else what the route asks for, else what the access token has.
  private func appendScope(_ transaction: borrowing TransactionContext, _ principal: Principal, to payload: inout [UInt8]) {
    switch scope {
    case .path(let path)?:
      if let text = principal.claims.value(at: path)?.bytes { return JSONWriter.append(string: text, to: &payload) }
    case .constant(.string(let text))?: return JSONWriter.append(string: text, to: &payload)
    case .constant?, nil: break
    }
    if !transaction.scope.isEmpty { return JSONWriter.append(string: transaction.scope, to: &payload) }
    JSONWriter.append(string: Array(principal.scopes.joined(separator: [0x20])), to: &payload)
  }

  private func sign(
    _ payload: [UInt8], _ signer: TokenSigner, count: Int, now: Int64, expires: Int64
  ) throws(MintFailure) -> MintedToken {
    var token: [UInt8] = []
    token.reserveCapacity(count)
    token += prefix
    Base64URL.append(payload, to: &token)
    guard let signature = signer.sign(token.span, with: key) else { throw .signature }
    token.append(UInt8(ascii: "."))
    Base64URL.append(signature.span, to: &token)
    return MintedToken(bytes: token, issuedAt: now, expiresAt: expires, minter: self)
  }
}
