import Bytes
import HTTP
import Limits
import Routing
import Tokens

/// Whether a request may pass, and as whom: the gate itself. Ends in `askForConnection` or in an answer.
extension Exchange {
  /// The head is complete.
  func begin() {
    let snapshot = worker.snapshot
    self.snapshot = snapshot
    let hasContent: Bool
    switch head.framing {
    case .length(let count): hasContent = count > 0
    case .chunked, .stream: hasContent = true
    case .none, .untilClose: hasContent = false
    }
    state.begin(isIdempotent: head.method.isIdempotent, hasContent: hasContent, isTunnel: head.isWebSocket)
    expectation.begin(expects: head.expectsContinue)
    if hasContent, let context = client?.connection.context { contentPace = TransferPace(context.content) }
    if head.method == .post, let error = readCall() { return refuse(error) }
    if let client, !client.connection.servesRoutes { return serveOwn(client, snapshot) }
    enter(snapshot, mayWait: true)
  }

  /// On a listener that has a purpose of its own.
  private func serveOwn(_ client: ClientStream, _ snapshot: WorkerSnapshot) {
    let context = client.connection.context
    if client.connection.isMisplaced { return answerMisplaced(client) }
    if case .plaintext(.redirects(let port)) = context.security { return redirect(client, port) }
    if context.servesKeys { return serveKeys(client, snapshot) }
    beginLogout(client)
  }

  /// From the route on: also when keys that a request has waited for are settled, which may be in another snapshot.
  private func enter(_ snapshot: WorkerSnapshot, mayWait: Bool) {
    guard canonicalisePath(snapshot) else { return refuse(.badPath) }
    switch snapshot.proxy.routeTable.match(
      host: slice(head.authority).span, path: path.span, method: head.method, methodName: slice(head.methodRange).span,
      headers: head.fields, bytes: bytes.span)
    {
    case .notFound: return refuse(.noRoute)
    case .ambiguous: return refuse(.badRequest)
    case .methodNotAllowed: return refuse(.methodNotAllowed)
    case .route(let index): route = snapshot.proxy.routes[index]
    }
    guard let route else { return refuse(.noRoute) }
    metricRoute = route.metricID
    switch admit(route, snapshot, mayWait: mayWait) {
    case .admitted: proceed(route, snapshot)
    case .refused(let denial): refuse(denial)
    case .waits: break
    }
  }

  /// The request may pass: how much, as whom, to whom.
  private func proceed(_ route: Route, _ snapshot: WorkerSnapshot) {
    if case .length(let count) = head.framing, count > route.bodyMaximum { return refuse(.bodyTooLarge) }
    backend = route.backend(drawing: worker.random())
    noteTimes(route, snapshot.proxy.backends[backend])
    if !route.access.providers.isEmpty {
      // One that has waited for its content or for a connection began long ago.
      let now = gathering.phase == .off && !hasAsked ? Int64(startedReal / 1_000_000_000) : worker.seconds
      if let refusal = addInternalToken(route, snapshot, now: now) { return refuse(refusal) }
    }
    if head.isWebSocket { tunnel = Tunnel(key: slice(head.webSocketKey)) }
    if route.endsAtExpiry, let token { watchExpiry(of: token) }
    if gathering.phase == .off {
      if state.request != .complete { setPace(route, snapshot) }
      if beginGathering(route) {
        armClient()
        client?.resumeContent()
        return
      }
    } else if bytesIn > route.bodyMaximum {
      return refuse(.bodyTooLarge)
    }
    startTimer()
    askForConnection()
  }

  // MARK: Waiting for keys

  private enum Admission {
    case admitted
    case refused(GatewayError)
    /// `keysSettled` or `answerArrived` follows.
    case waits
  }

  func waitForKeys(_ remote: RemoteKeys, _ kid: [UInt8]) -> Bool {
    let now = loop.now
    guard worker.keyWaiting.wait(self, for: remote, kid: kid, now: now) else { return false }
    responseDeadline = now &+ KeyWaiting.patience
    armClient()
    return true
  }

  /// The key set is as new as it gets, or has kept the request waiting for too long.
  func keysSettled() {
    let remote = awaitedKeys
    awaitedKeys = nil
    // A reload in between may have put keys from another place, which nobody has asked for this one, in the place of these.
    reenter(mayWait: remote.map { remote in !worker.verifier.providers.contains { $0.remote === remote } } ?? false)
  }

  /// Decides anew about a request that has waited.
  func reenter(mayWait: Bool) {
    responseDeadline = 0
    armClient()
    if client?.connection.isOutdated == true { return refuse(.connectionOutdated) }
    // A reload in between has other providers, by other numbers: what is decided is decided by one snapshot.
    snapshot = worker.snapshot
    backend = -1
    triedEndpoint = -1
    token = nil
    tokenWasCached = false
    minted = nil
    if logout != nil { return decideLogout(mayWait: mayWait) }
    rewrittenPath.removeAll()
    pathIsRewritten = false
    enter(worker.snapshot, mayWait: mayWait)
  }

  /// One canonical form; false when the path has more than one reading.
  private func canonicalisePath(_ snapshot: WorkerSnapshot) -> Bool {
    let sent = slice(head.path)
    // `OPTIONS *` is about the server and `CONNECT host:port` about a tunnel: no path, and no route has one for them.
    guard sent.count > 0, sent[0] == 0x2f else { return head.method == .options || head.method == .connect }
    switch worker.canonicalise(sent, snapshot.proxy.pathRules) {
    case .unchanged: return true
    case .refused: return false
    case .rewritten(let count):
      rewrittenPath.append(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(worker.pathScratch)[..<count]))
      pathIsRewritten = true
      return true
    }
  }

  /// Authentication and authorization.
  private func admit(_ route: Route, _ snapshot: WorkerSnapshot, mayWait: Bool) -> Admission {
    guard !route.access.providers.isEmpty else { return .admitted }
    let range: ByteRange
    let holder: TokenHolder
    switch TokenPlace.search(route.access.places, head.fields, bytes, query: head.query) {
    case .missing: return .refused(.tokenMissing)
    case .ambiguous: return .refused(.tokenAmbiguous)
    case .found(let found, let place, let isInCookieOnly):
      (range, holder) = (found, place)
      if isInCookieOnly, !mayUseCookie(found, place, route) { return .refused(.crossSite) }
    }
    let now = Int64(startedReal / 1_000_000_000)
    switch verify(range, holder, route, now: now) {
    case .denied(let denial):
      metrics.countTokenLookup(.miss)
      if denial == .claims { worker.reportLongLife() }
      return .refused(GatewayError(denial))
    case .unknownKey(let remote, let kid):
      if mayWait, waitForKeys(remote, kid) { return .waits }
      metrics.countTokenLookup(.miss)
      return .refused(.tokenKeyUnknown)
    case .unanswered(let remote, let digest):
      if mayWait, waitForAnswer(remote, digest, range) { return .waits }
      metrics.countTokenLookup(.miss)
      return .refused(.introspectionUnavailable)
    case .accepted(let verified, let cached):
      metrics.countTokenLookup(cached ? .hit : .miss)
      token = verified
      tokenWasCached = cached
      if verified.needsProof || route.access.acceptsProofs, let denial = checkPossession(verified, range, now: now) {
        return .refused(denial)
      }
      return authorize(route, verified).map { .refused($0) } ?? .admitted
    }
  }

  /// Only those providers look at a token in whose own places it stands.
  private func verify(_ token: ByteRange, _ holder: TokenHolder, _ route: Route, now: Int64) -> TokenVerdict {
    switch holder {
    case .place(let index):
      return worker.verifier.verify(slice(token).span, acceptable: route.access.places[index].acceptable, route: route.access.providers, now: now)
    case .several:
      let providers = places(of: token, holder, route).flatMap(\.providers)
      return worker.verifier.verify(slice(token).span, acceptable: ProviderSet(providers), route: route.access.providers, now: now)
    }
  }

  private func places(of token: ByteRange, _ holder: TokenHolder, _ route: Route) -> [TokenPlace] {
    if case .place(let index) = holder { return [route.access.places[index]] }
    return TokenPlace.holding(token, route.access.places, head.fields, bytes, query: head.query)
  }

  private func mayUseCookie(_ token: ByteRange, _ holder: TokenHolder, _ route: Route) -> Bool {
    if head.method.isSafe, !head.isWebSocket { return true }
    let origins = places(of: token, holder, route).flatMap(\.origins)
    return CrossSite.allows(head.fields, bytes, authority: slice(head.authority), isEncrypted: isEncrypted, origins)
  }

  private var isEncrypted: Bool { client?.connection.wire.isEncrypted ?? true }

  /// The route's rule, evaluated once for each token and kept with it, for every route that has the same.
  private func authorize(_ route: Route, _ token: VerifiedToken) -> GatewayError? {
    if case .everyone = route.access.rule { return nil }
    let known = token.verdict(access: route.access.index)
    let verdict: AuthorizationVerdict
    if known != 0, let remembered = AuthorizationVerdict(rawValue: known - 1) {
      verdict = remembered
    } else {
      verdict = route.access.rule.evaluate(token.principal.claims, roles: worker.verifier.conventions(of: token).roles)
      token.remember(verdict: verdict.rawValue + 1, access: route.access.index)
    }
    switch verdict {
    case .allowed: return nil
    case .scopeMissing: return .scopeMissing
    case .claimDenied: return .claimDenied
    case .policyDenied: return .policyDenied
    }
  }

  /// The internal token for this principal and this backend: the one minted a moment ago, or a new one. Nil when it is there.
  ///
  /// - Parameter now: seconds since 1970.
  func addInternalToken(_ route: Route, _ snapshot: WorkerSnapshot, now: Int64) -> GatewayError? {
    guard let token, backend < snapshot.internalTokens.minters.count else { return .internalError }
    let minter = snapshot.internalTokens.minters[backend]
    if let known = token.minted(backend: backend, by: minter, now: now) {
      minted = known
      return nil
    }
    let destination = snapshot.proxy.backends[backend]
    do throws(MintFailure) {
      let made = try mint(minter, token, route, now: now)
      if !made.isUnique { worker.verifier.remember(minted: made, backend: backend, for: token, now: now) }
      metrics.countMinted(backend: destination.metricID)
      minted = made
      return nil
    } catch {
      worker.reportUnminted(destination, error)
      return GatewayError(error)
    }
  }

  private func mint(
    _ minter: InternalTokenMinter, _ token: VerifiedToken, _ route: Route, now: Int64
  ) throws(MintFailure) -> MintedToken {
    guard minter.profile == .transaction else {
      return try minter.mint(
        principal: token.principal, validUntil: token.validUntil, now: now, signer: worker.signer, payload: &worker.claimScratch)
    }
    let peer = client?.connection.forwardedPeer ?? []
    return try peer.withUnsafeBufferPointer { peer throws(MintFailure) in
      let (id, client, method) = (requestID, believedClient?.text ?? peer, slice(head.methodRange))
      let transaction = TransactionContext(
        id: id.span, clientAddress: client.span, method: method.span, route: route.transactionContext,
        scope: route.access.requiredScopes)
      return try minter.mint(
        principal: token.principal, validUntil: token.validUntil, now: now, transaction: transaction,
        signer: worker.signer, payload: &worker.claimScratch)
    }
  }

  /// A `serve: jwks` listener: the published keys and nothing else.
  private func serveKeys(_ client: ClientStream, _ snapshot: WorkerSnapshot) {
    guard ASCII.equal(slice(head.path), "/.well-known/jwks.json") else { return refuse(.noRoute) }
    guard head.method == .get || head.method == .head else { return refuse(.noRoute) }
    state.answered()
    status = 200
    client.respondOwn(snapshot.internalTokens.publishedKeys, type: "application/jwk-set+json", to: self)
    complete(client)
  }

  /// A listener without TLS that is there for those who forgot the `s`: nothing is served on it, whatever is asked.
  private func redirect(_ client: ClientStream, _ port: UInt16) {
    let authority = slice(head.authority)
    guard let host = Authority(authority.span)?.host else { return refuse(.badHost) }
    var location = ByteQueue()
    location.append("https://")
    location.append(UnsafeBufferPointer(rebasing: authority[host.bounds]))
    if port != 443 {
      location.append(0x3a)
      location.append(decimal: UInt64(port))
    }
    redirect(client, to: &location)
  }

  /// A request without TLS on a port that speaks TLS: whoever sent it hears so in the clear.
  private func answerMisplaced(_ client: ClientStream) {
    if client.connection.context.redirectsPlaintext, head.method != .connect {
      let authority = slice(head.authority)
      guard Authority(authority.span)?.host != nil else { return refuse(.badHost) }
      var location = ByteQueue()
      location.append("https://")
      // The same port: this one.
      location.append(authority)
      return redirect(client, to: &location)
    }
    error = .tlsRequired
    state.answered()
    status = error?.status ?? 400
    client.respondOwn(Array("This port speaks TLS: use https.\n".utf8), type: "text/plain", status: 400, to: self)
    complete(client)
  }

  /// - Parameter location: up to the path.
  private func redirect(_ client: ClientStream, to location: inout ByteQueue) {
    state.answered()
    status = 308
    let path = slice(head.path)
    if path.first == 0x2f { location.append(path) } else { location.append("/") }
    if head.hasQuery {
      location.append(0x3f)
      location.append(slice(head.query))
    }
    client.respondRedirect(to: location.readable, self)
    complete(client)
  }
}
