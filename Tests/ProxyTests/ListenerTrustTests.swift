import Proxy
import TLS
import Testing

struct ListenerTrustTests {
  private static let home = ListenerTrust.Network(high: 0, low: 0xffff_7f00_0000, prefixLength: 104)

  private func trust(
    _ address: String = "0.0.0.0:8443", _ purpose: ListenerTrust.Purpose = .routes, tls: TLSVersion? = .tls12, header: Bool = false,
    proxies: [ListenerTrust.Network] = []
  ) -> ListenerTrust {
    ListenerTrust(
      address: address, purpose: purpose, tls: tls.map { ($0, .none) }, expectsProxyHeader: header, proxies: proxies)
  }

  private func keeps(_ new: ListenerTrust, _ old: ListenerTrust, certificate: Bool = false, isTLS13: Bool = true) -> Bool {
    new.keeps(ListenerTrust.Connection(madeUnder: old, hasCertificate: certificate, isTLS13: isTLS13))
  }

  @Test func `What has not changed keeps everybody`() {
    for one in [trust(), trust(tls: .tls13), trust(tls: nil), trust(header: true, proxies: [Self.home])] {
      #expect(keeps(one, one))
    }
  }

  @Test func `A listener that has moved or serves something else keeps nobody`() {
    #expect(!keeps(trust("0.0.0.0:8444"), trust()))
    #expect(!keeps(trust("0.0.0.0:8443", .keys), trust()))
    #expect(!keeps(trust(tls: nil), trust(), isTLS13: false))
    #expect(!keeps(trust(), trust(tls: nil), isTLS13: false))
    #expect(!keeps(trust(header: true), trust()))
  }

  @Test func `A version is kept that is still spoken`() {
    #expect(!keeps(trust(tls: .tls13), trust(), isTLS13: false))
    #expect(keeps(trust(tls: .tls13), trust(), isTLS13: true))
    #expect(keeps(trust(), trust(tls: .tls13), isTLS13: true))
  }

  @Test func `A proxy may come to be trusted and may not cease to be`() {
    #expect(keeps(trust(proxies: [Self.home]), trust()))
    #expect(!keeps(trust(), trust(proxies: [Self.home])))
  }

  @Test func `A certificate that nobody asks for any more is none`() {
    #expect(keeps(trust(), trust(), certificate: true))
  }
}
