import Bytes
import Foundation
import HTTP
import JSON
import Logging
import Reactor
import Resolver
import TLS
import Telemetry
import Tokens

/// One provider's key set on the network: drives its `KeySetRefresher` with fetches and time, on the control thread.
final class RemoteKeySet {
  struct Source {
    enum Place {
      case url(HTTPSURL)
      /// The issuer's `/.well-known/openid-configuration` says where (OpenID Connect Discovery section 4).
      case discovery(issuer: String, HTTPSURL)
    }
    let place: Place
    let authorities: CertificateAuthorities?
    /// Equal for two sources exactly if keys of the one are keys of the other: the same place, the same trust, the same secret.
    let identity: [String]
    let bounds: KeySetRefresher.Bounds
    /// Added to whatever is fetched, for a provider that also signs with a shared secret.
    let secret: (bytes: [UInt8], algorithms: [JOSEAlgorithm])?
    /// The provider's id in the metrics.
    let metricID: Int

    /// What is fetched, and what is shared in secret.
    func complete(_ published: KeySet) throws(KeySetError) -> KeySet {
      guard let secret else { return published }
      return try KeySet(published: published, secret: secret.bytes, algorithms: secret.algorithms)
    }
  }

  /// Keys that the issuer has published elsewhere: in force until this place has answered.
  struct Heritage {
    let published: KeySet
    /// When they were last known to be the issuer's, in ms of the monotonic clock.
    let goodAt: UInt64
  }

  let keys: RemoteKeys
  private(set) var owner: RemoteKeySets.Owner
  private(set) var source: Source
  private let loop: EventLoop
  private let resolver: Resolver
  private let buffers: BufferPool
  private let registry: MetricsRegistry
  private let say: (Logger.Level, String) -> Void
  /// New keys, or none any more.
  private let publish: (KeySet?) -> Void
  /// A fetch is over: whoever waited for it is looked at again.
  private let settled: () -> Void

  private var refresher: KeySetRefresher
  private(set) var current: KeySet?
  /// `current` without the secret, and since when it is known.
  private(set) var heritage: Heritage?
  private var timer: LoopTimer?
  private var server: RemoteServer?
  private var discoverer: RemoteServer?
  private var etag: [UInt8]?
  private var lastContent: [UInt8] = []
  private var redirects = 0
  private static let maximumRedirects = 3
  private static let maximumDiscovery = 64 << 10

  init(
    _ keys: RemoteKeys, _ owner: RemoteKeySets.Owner, _ source: Source, heritage: Heritage?, loop: EventLoop, resolver: Resolver, buffers: BufferPool,
    registry: MetricsRegistry, say: @escaping (Logger.Level, String) -> Void,
    publish: @escaping (KeySet?) -> Void, settled: @escaping () -> Void
  ) {
    self.keys = keys
    self.owner = owner
    self.source = source
    self.loop = loop
    self.resolver = resolver
    self.buffers = buffers
    self.registry = registry
    self.say = say
    self.publish = publish
    self.settled = settled
    if let heritage, let set = try? source.complete(heritage.published) {
      refresher = KeySetRefresher(source.bounds, inheriting: heritage.goodAt, now: Clock.milliseconds)
      current = set
      self.heritage = heritage
      // The place before may have been fetched from since the configuration was built.
      publish(set)
    } else {
      refresher = KeySetRefresher(source.bounds)
    }
    timer = LoopTimer(loop: loop) { [weak self] in self?.tick() }
    timer?.setDeadline(1)
  }

  /// A reload has changed at most the provider's name and the times between fetches.
  func adopt(_ owner: RemoteKeySets.Owner, _ source: Source) {
    self.owner = owner
    self.source = source
    refresher.adopt(source.bounds, now: Clock.milliseconds)
    rearm()
  }

  private func tell(_ level: Logger.Level, _ text: String) { say(level, "identity provider \(owner.provider): \(text)") }

  /// The provider is gone from the configuration.
  func close() {
    timer?.close()
    timer = nil
    server?.retire()
    discoverer?.retire()
  }

  /// A request waits for the key that `hash` stands for. True when `settled` will follow.
  func unknownKey(_ hash: UInt64) -> Bool {
    switch refresher.unknownKey(hash, now: Clock.milliseconds) {
    case .refuse: return false
    case .wait: return true
    case .fetch:
      fetch()
      return true
    }
  }

  private func tick() {
    switch refresher.tick(now: Clock.milliseconds) {
    case .nothing: break
    case .fetch: fetch()
    case .drop:
      tell(
        .error, "the key set is \(source.bounds.maximumAge / 1000) s old and cannot be fetched anew: its keys are no longer accepted")
      current = nil
      heritage = nil
      etag = nil
      publish(nil)
    }
    rearm()
  }

  private func rearm() {
    keys.update(isFetching: refresher.isFetching, allowedAt: refresher.allowedAt)
    let now = Clock.milliseconds
    // A wake that is far away is looked at once a minute.
    timer?.setDeadline(Int(min(max(refresher.wakeAt, now + 1) - now, 60_000)))
  }

  // MARK: Fetching

  private func fetch() {
    keys.update(isFetching: true, allowedAt: refresher.allowedAt)
    redirects = 0
    switch source.place {
    case .url(let url): fetchKeys(url)
    case .discovery(let issuer, let url):
      // Where the keys are is asked anew each time: it is one more small request, and the answer may change.
      discover(issuer, url.appending("/.well-known/openid-configuration"))
    }
  }

  private func connect(_ url: HTTPSURL, _ held: inout RemoteServer?) -> RemoteServer? {
    if let held, held.url.isSameOrigin(as: url) { return held }
    held?.retire()
    held = nil
    do throws(TLSConfigurationError) {
      held = RemoteServer(
        url, tls: try ClientTLSContext(authorities: source.authorities, host: url.host), loop: loop, resolver: resolver,
        buffers: buffers)
    } catch {
      failed("\(url.host): \(error.message)")
    }
    return held
  }

  /// Where a response that redirects says to go on: on the same host and port only, over TLS as before, and not for ever.
  private enum Redirection {
    case none
    case followed(HTTPSURL)
    case refused(String)
  }

  private func redirection(_ url: HTTPSURL, _ response: Fetch.Response) -> Redirection {
    guard [301, 302, 303, 307, 308].contains(response.status) else { return .none }
    guard let next = response.location.flatMap({ url.resolving(String(decoding: $0, as: UTF8.self)) }), next.isSameOrigin(as: url) else {
      return .refused("\(url.text) redirects to another host or port, or not to https, which is not followed")
    }
    redirects += 1
    return redirects <= Self.maximumRedirects ? .followed(next) : .refused("\(url.text) redirects in circles")
  }

  private func discover(_ issuer: String, _ document: HTTPSURL) {
    guard let connection = connect(document, &discoverer) else { return }
    let request = Fetch.Request(url: document, fields: [("Accept", Array("application/json".utf8))], maximum: Self.maximumDiscovery)
    connection.fetch(request) { [weak self] outcome in
      guard let self else { return }
      switch outcome {
      case .failed(let reason): failed("\(document.text): \(reason)")
      case .answered(let response):
        switch redirection(document, response) {
        case .none: break
        case .followed(let next): return discover(issuer, next)
        case .refused(let reason): return failed(reason)
        }
        guard response.status == 200 else { return failed("\(document.text) answers \(response.status)") }
        guard let json = try? JSONParser.parse(document: response.content, limits: JSONLimits(size: Self.maximumDiscovery)) else {
          return failed("\(document.text) is no JSON")
        }
        guard json.member("issuer")?.text == issuer else { return failed("\(document.text) is of another issuer") }
        guard let place = json.member("jwks_uri")?.text.flatMap({ HTTPSURL($0) }) else {
          return failed("\(document.text) has no `jwks_uri` that is an https URL")
        }
        redirects = 0
        fetchKeys(place)
      }
    }
  }

  private func fetchKeys(_ url: HTTPSURL) {
    guard let connection = connect(url, &server) else { return }
    var request = Fetch.Request(
      url: url, fields: [("Accept", Array("application/jwk-set+json, application/json".utf8))], maximum: KeySet.maximumBytes)
    if let etag, current != nil { request.fields.append(("If-None-Match", etag)) }
    connection.fetch(request) { [weak self] outcome in
      switch outcome {
      case .failed(let reason): self?.failed("\(url.text): \(reason)")
      case .answered(let response): self?.answered(url, response)
      }
    }
  }

  private func answered(_ url: HTTPSURL, _ response: Fetch.Response) {
    switch response.status {
    case 200:
      do throws(KeySetError) {
        let published = try KeySet.parse(response.content)
        let set = try source.complete(published)
        etag = response.etag
        let isChanged = response.content != lastContent || current == nil
        lastContent = response.content
        if isChanged {
          for note in set.skipped { tell(.notice, "\(url.text): \(note); skipped") }
          current = set
          heritage = Heritage(published: published, goodAt: Clock.milliseconds)
          tell(.notice, "\(set.keys.count) keys from \(url.text)")
          publish(set)
        }
        succeeded(response, isChanged: isChanged)
      } catch {
        failed("\(url.text): \(error.description)")
      }
    case 304 where current != nil: succeeded(response, isChanged: false)
    default:
      switch redirection(url, response) {
      case .none: failed("\(url.text) answers \(response.status)")
      case .followed(let next): fetchKeys(next)
      case .refused(let reason): failed(reason)
      }
    }
  }

  private func succeeded(_ response: Fetch.Response, isChanged: Bool) {
    registry.countKeySetRefresh(provider: source.metricID, .success)
    heritage = heritage.map { Heritage(published: $0.published, goodAt: Clock.milliseconds) }
    refresher.succeeded(
      now: Clock.milliseconds, freshness: CacheControl.freshness(response.cacheControl).map { $0 * 1000 }, isChanged: isChanged,
      random: UInt64.random(in: 0..<UInt64.max))
    rearm()
    settled()
  }

  private func failed(_ reason: String) {
    registry.countKeySetRefresh(provider: source.metricID, .failure)
    tell(.warning, "the key set cannot be fetched: \(reason)" + (current == nil ? "" : "; the last good one stays in force"))
    refresher.failed(now: Clock.milliseconds, random: UInt64.random(in: 0..<UInt64.max))
    rearm()
    settled()
  }
}
