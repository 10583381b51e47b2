import HTTP

/// `jwks` of an identity provider: a file, a URL, or what the provider's discovery document says.
enum KeySetDecoder {
  static func decode(
    _ cursor: Cursor, provider: String, issuer: Located<String>?
  ) -> (file: Located<String>?, remote: RemoteKeysSettings?)? {
    guard let values = cursor.mapping(["file", "url", "discovery", "ca", "refresh", "cooldown", "maximum_age"]) else { return nil }
    let places = ["file", "url", "discovery"].filter { values[$0] != nil }
    guard places.count == 1, let kind = places.first else {
      if values.misspelt.isEmpty {
        cursor.report("a key set comes from one place: write `{ file: FILE }`, `{ url: https://… }` or `{ discovery: true }`")
      }
      return nil
    }
    if kind == "file" {
      for key in ["ca", "refresh", "cooldown", "maximum_age"] {
        values[key]?.report("`\(key)` is for key sets that are fetched: leave it out, a file is read again with each reload")
      }
      return values["file"]?.path().map { ($0, nil) }
    }
    let place = kind == "url" ? values["url"].flatMap(url) : values["discovery"].flatMap { discovery($0, issuer) }
    let ca = values["ca"]?.path()
    let refresh = values["refresh"]?.duration(1_000...86_400_000)
    let cooldown = values["cooldown"]?.duration(1_000...3_600_000)
    let age = values["maximum_age"]?.duration(60_000...2_592_000_000)
    guard let place else { return nil }
    var settings = RemoteKeysSettings(provider: provider, place: place)
    settings.ca = ca
    settings.refresh = refresh ?? max(settings.refresh, cooldown ?? 0)
    settings.cooldown = cooldown ?? min(settings.cooldown, settings.refresh)
    settings.maximumAge = age ?? max(settings.maximumAge, settings.refresh)
    if settings.cooldown > settings.refresh {
      values["cooldown"]?.report("`cooldown` is longer than `refresh`, so the set could never be fetched in time: write a shorter one")
    }
    if settings.maximumAge < settings.refresh {
      values["maximum_age"]?.report("`maximum_age` is shorter than `refresh`: every set would expire before it is fetched again")
    }
    return (nil, settings)
  }

  static func url(_ cursor: Cursor) -> RemoteKeysSettings.Place? {
    guard let text = cursor.text() else { return nil }
    guard let url = HTTPSURL(text) else {
      cursor.report("`\(text)` is no https URL: what is fetched decides who may pass, so it is fetched over TLS that is checked")
      return nil
    }
    return .url(url)
  }

  private static func discovery(_ cursor: Cursor, _ issuer: Located<String>?) -> RemoteKeysSettings.Place? {
    guard let wanted = cursor.boolean() else { return nil }
    guard wanted else {
      cursor.report("`discovery` is either `true` or not there: write `{ url: https://… }` or `{ file: FILE }` instead")
      return nil
    }
    guard let issuer else { return nil }
    guard let url = HTTPSURL(issuer.value), !url.target.contains("?") else {
      cursor.report("`\(issuer.value)` is no https URL that could be discovered from: write `{ url: https://… }`")
      return nil
    }
    return .discovery(issuer: issuer.value, url)
  }
}
