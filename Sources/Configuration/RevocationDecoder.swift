/// `revocation`, and `backchannel_logout` of an identity provider.
enum RevocationDecoder {
  private static let example = "{ name: denied, file: ../Certs/denied.jsonl, fail: closed }"
  private static let places = "`file: FILE` or `redis: { address: 127.0.0.1:6379 }`"

  static func decode(_ cursor: Cursor) -> RevocationSettings? {
    guard let values = cursor.mapping(["feeds", "store_logouts"]) else { return nil }
    var settings = RevocationSettings()
    let rows = values.required("feeds", "a list such as `[\(example)]`")?.list(example, mayBeEmpty: true, maximum: ListBounds.feeds) ?? []
    let feeds = rows.map { (row: $0, feed: feed($0)) }
    settings.feeds = feeds.compactMap(\.feed)
    checkNames(settings.feeds, cursor)
    if let store = values["store_logouts"], let name = store.text(), feeds.allSatisfy({ $0.feed != nil }) {
      settings.logoutStore = settings.feeds.firstIndex { $0.name.value == name }
      switch settings.logoutStore.map({ settings.feeds[$0].place }) {
      case .redis?: break
      case .file?: store.report("the feed `\(name)` is a file, which its writer replaces: name a feed of `redis`")
      case nil:
        let names = settings.feeds.map(\.name.value)
        store.report("there is no feed `\(name)`: \(NearestName.hint(for: name, among: names))")
      }
    }
    return settings
  }

  private static func checkNames(_ feeds: [RevocationFeedSettings], _ cursor: Cursor) {
    var seen: [String: SourceLocation] = [:]
    for feed in feeds {
      let name = feed.name
      if let first = seen[name.value] {
        cursor.file.collector.report(name.location, "the feed `\(name.value)` is already defined at \(first): write another name")
      } else {
        seen[name.value] = name.location
      }
    }
  }

  private static func feed(_ cursor: Cursor) -> RevocationFeedSettings? {
    guard let values = cursor.mapping(["name", "file", "redis", "fail", "stale_after"]) else { return nil }
    let name = values.required("name", "a name of your choice")?.name()
    let closed = values.required(
      "fail", "`closed` to refuse everybody while the list is out of date, or `open` to go on with the last one")?
      .word([("closed", true), ("open", false)])
    let age = values["stale_after"]?.duration(2_000...86_400_000)
    let place: RevocationFeedSettings.Place?
    switch (values["file"], values["redis"]) {
    case (let file?, nil): place = file.path().map { .file($0) }
    case (nil, let redis?): place = Self.redis(redis).map { .redis($0) }
    case (nil, nil):
      if values.misspelt.isDisjoint(with: ["file", "redis"]) { cursor.report("the feed comes from nowhere: write \(places)") }
      place = nil
    default:
      cursor.report("a feed comes from one place: write \(places)")
      place = nil
    }
    guard let name, let closed, let place else { return nil }
    var settings = RevocationFeedSettings(name: name, place: place, failsClosed: closed)
    settings.staleAfter = age ?? settings.staleAfter
    return settings
  }

  private static func redis(_ cursor: Cursor) -> RedisSettings? {
    guard let values = cursor.mapping(["address", "username", "password", "database", "channel", "key", "read_interval"]) else {
      return nil
    }
    let address = values.required("address", "`127.0.0.1:6379` or `unix:PATH`").flatMap(address)
    let (username, password) = (values["username"]?.text(), values["password"]?.text())
    let database = values["database"]?.integer(0...65535)
    let channel = values["channel"].flatMap(word)
    let key = values["key"].flatMap(word)
    let interval = values["read_interval"]?.duration(100...3_600_000)
    if let cursor = values["username"], values["password"] == nil {
      cursor.report("`username` needs `password`: write it, best as `${NAME}`")
    }
    guard let address else { return nil }
    var settings = RedisSettings(address: address)
    settings.username = username
    settings.password = password
    settings.database = database ?? settings.database
    settings.channel = channel ?? settings.channel
    settings.key = key ?? settings.key
    settings.readInterval = interval ?? settings.readInterval
    return settings
  }

  private static func address(_ cursor: Cursor) -> Located<SocketAddressSettings>? {
    if let text = cursor.text(), let scheme = text.range(of: "://") {
      let place = text[..<scheme.lowerBound] == "unix" ? "unix:/PATH" : "HOST:PORT"
      cursor.report(
        text[..<scheme.lowerBound] == "rediss"
          ? "the gateway speaks no TLS to Redis: write `HOST:PORT` of a tunnel on this machine, or `unix:/PATH`"
          : "a Redis is named by its address and not by a URL: write `\(place)`, and what else the URL says in keys of its own")
      return nil
    }
    return AddressDecoder.decode(cursor, ports: 1...65535, allowsUnix: true)
  }

  /// The name of a channel or key.
  private static func word(_ cursor: Cursor) -> String? {
    guard let text = cursor.text() else { return nil }
    if text.utf8.count <= 256 { return text }
    cursor.report("a name in Redis has up to 256 bytes here")
    return nil
  }

  /// `backchannel_logout` of an identity provider.
  static func logout(_ cursor: Cursor) -> LogoutSettings? {
    guard let values = cursor.mapping(["client_ids", "keep", "ends"]) else { return nil }
    var settings = LogoutSettings()
    settings.clientIDs = values["client_ids"]?.list("web")?.compactMap { $0.text() } ?? []
    settings.keep = values["keep"]?.duration(60_000...2_592_000_000) ?? settings.keep
    settings.endsAllSessions = values["ends"]?.word([("session", false), ("user", true)]) ?? settings.endsAllSessions
    return settings
  }
}
