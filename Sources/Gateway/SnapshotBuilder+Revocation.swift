import Configuration
import Reactor
import Tokens
import Upstream

extension SnapshotBuilder {
  static func logoutRules(_ settings: IdentityProviderSettings) -> LogoutRules? {
    settings.logout.map {
      LogoutRules(
        audiences: $0.clientIDs.isEmpty ? settings.audiences : $0.clientIDs, keep: Int64($0.keep / 1000),
        endsAllSessions: $0.endsAllSessions)
    }
  }

  /// Reads the files among the feeds, unless they are known and unchanged; what a server has to say is heard later.
  func revocationPlan(_ settings: RevocationSettings) -> RevocationPlan {
    var plan = RevocationPlan()
    plan.logoutStore = settings.logoutStore
    for row in settings.feeds {
      var feed = RevocationPlan.Feed(settings: row)
      let known = revocation?.predecessor(of: row, among: settings.feeds)
      if let known { feed.state = known.state }
      let isSame = known.map { RevocationFeed.identity($0.settings) == RevocationFeed.identity(row) } ?? false
      switch row.place {
      case .file(let file):
        if isSame, known?.isUnchanged == true { break }
        do throws(RevocationImage.Failure) {
          let image = if let revocation { try revocation.image(of: file.value) } else { try RevocationImage.read(file.value) }
          feed.image = image
          feed.state = RevocationState()
          feed.state.base = image.table
          feed.state.goodAt = Clock.milliseconds
        } catch {
          if error.place.isEmpty {
            refuse(file.location, "the deny-list \(file.value) \(error.message)")
          } else {
            refuse(SourceLocation(file: file.value, line: error.place[0], column: error.place[1]), error.message)
          }
        }
      case .redis(let redis):
        guard case .tcp(let host, let port) = redis.address.value else { break }
        feed.endpoint = Endpoint(
          name: redis.address.value.text, host: host, port: port, metricID: 0,
          addresses: addresses(host, port))
      }
      plan.feeds.append(feed)
    }
    plan.list = RevocationFeeds.list(
      plan.feeds.map { ($0.settings, $0.state) }, logouts: revocation?.logouts ?? RevocationLayers(), now: Clock.milliseconds)
    return plan
  }
}
