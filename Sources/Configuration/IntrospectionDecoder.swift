import HTTP

/// `introspection` of an identity provider.
enum IntrospectionDecoder {
  static func decode(_ cursor: Cursor) -> IntrospectionSettings? {
    let known = [
      "url", "ca", "client_id", "client_secret", "certificate", "key", "cache", "inactive_cache", "timeout", "concurrency",
      "rate",
    ]
    guard let values = cursor.mapping(known) else { return nil }
    let url = values.required("url", "the introspection endpoint, such as `https://idp.example.com/oauth2/introspect`").flatMap(
      url)
    let ca = values["ca"]?.path()
    let clientID = values.required("client_id", "the name under which the gateway is known there")?.text()
    let secret = values["client_secret"]?.text()
    let certificate = certificate(values)
    if values["client_secret"] != nil, let place = values["certificate"] ?? values["key"] {
      place.report("the gateway shows either a secret or a certificate: leave `client_secret` or `certificate` and `key` out")
    } else if values["client_secret"] == nil, values["certificate"] == nil, values["key"] == nil, values.misspelt.isEmpty {
      cursor.report("how the gateway shows who it is is missing: write `client_secret: ${…}`, or `certificate` and `key`")
    }
    let settings = optional(values)
    guard let url, let clientID else { return nil }
    var result = settings(IntrospectionSettings(url: url, clientID: clientID))
    result.ca = ca
    result.secret = secret
    result.certificate = certificate
    return result
  }

  private static func url(_ cursor: Cursor) -> HTTPSURL? {
    guard let text = cursor.text() else { return nil }
    guard let url = HTTPSURL(text) else {
      cursor.report("`\(text)` is no https URL: tokens and the gateway's secret are sent there, over TLS that is checked")
      return nil
    }
    return url
  }

  private static func certificate(_ values: Mapping) -> CertificateSettings? {
    guard values["certificate"] != nil || values["key"] != nil else { return nil }
    let certificate = values.required("certificate", "the file of the client certificate that belongs to `key`")?.path()
    let key = values.required("key", "the file of the certificate's private key")?.path()
    guard let certificate, let key else { return nil }
    return CertificateSettings(certificate: certificate, key: key)
  }

  private static func optional(_ values: Mapping) -> (IntrospectionSettings) -> IntrospectionSettings {
    let cache = values["cache"]?.duration(0...300_000)
    let inactive = values["inactive_cache"]?.duration(0...60_000)
    let timeout = values["timeout"]?.duration(100...5_000)
    let concurrency = values["concurrency"]?.integer(1...64)
    let rate = values["rate"]?.rate(1...100_000)
    return { settings in
      var settings = settings
      settings.cache = cache ?? settings.cache
      settings.inactiveCache = inactive ?? settings.inactiveCache
      settings.timeout = timeout ?? settings.timeout
      settings.concurrency = concurrency ?? settings.concurrency
      settings.rate = rate ?? settings.rate
      return settings
    }
  }
}

extension Cursor {
  /// `100/s`, `5000/m`.
  func rate(_ range: ClosedRange<Int>) -> RateSettings? {
    guard let text = text() else { return nil }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let periods = ["s": 1_000, "m": 60_000]
    guard parts.count == 2, parts[0].utf8.allSatisfy({ $0 &- 0x30 < 10 }), let count = Int(parts[0]),
      let period = periods[String(parts[1])]
    else {
      report("`\(text)` is no rate: write a number and `/s` or `/m`, such as `100/s`")
      return nil
    }
    guard range.contains(count) else {
      report("`\(text)` is out of range: write \(range.lowerBound) to \(range.upperBound) in a second or minute")
      return nil
    }
    return RateSettings(count: count, period: period)
  }
}
