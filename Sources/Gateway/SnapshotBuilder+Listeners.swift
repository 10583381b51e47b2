import Configuration
import Foundation
import Limits
import Proxy
import TLS

/// The edge: listeners, with their TLS.
extension SnapshotBuilder {
  func chain(_ settings: CertificateSettings) -> CertificateChain? {
    let files = LoadedFiles.Certificate(certificate: settings.certificate.value, key: settings.key.value)
    if let known = loaded.chains[files] { return known }
    do throws(TLSConfigurationError) {
      let chain = try CertificateChain(certificate: settings.certificate.value, key: settings.key.value)
      certificates.append((settings.certificate.value, chain.notAfter))
      if chain.isExpired(at: Int64(Date().timeIntervalSince1970)) {
        warn(settings.certificate.location, "the certificate \(settings.certificate.value) has expired")
      }
      loaded.chains[files] = chain
      return chain
    } catch {
      for fault in [error] + error.others {
        refuse(fault.file == .key ? settings.key.location : settings.certificate.location, fault.message)
      }
      return nil
    }
  }

  func authorities(_ file: Located<String>) -> CertificateAuthorities? {
    if let known = loaded.authorities[file.value] { return known }
    do throws(TLSConfigurationError) {
      let read = try CertificateAuthorities(path: file.value)
      for shortcoming in read.shortcomings(at: Self.now) { warn(file.location, shortcoming) }
      loaded.authorities[file.value] = read
      return read
    } catch {
      refuse(file.location, error.message)
      return nil
    }
  }

  private func edgeTLS(_ settings: ListenerTLSSettings, _ name: Located<String>) -> ServerTLSContext? {
    // All files are read before the first that is wrong ends it: one look is to show every one.
    let chains = settings.certificates.compactMap { chain($0) }
    let clientAuthorities = settings.clientCA.map { authorities($0) }
    guard chains.count == settings.certificates.count else { return nil }
    var authentication = ClientAuthentication.none
    if let clientAuthorities {
      guard let authorities = clientAuthorities else { return nil }
      switch settings.clientAuth {
      case .none: break
      case .optional: authentication = .optional(authorities)
      case .required: authentication = .required(authorities)
      }
    }
    do throws(TLSConfigurationError) {
      return try ServerTLSContext(
        certificates: chains, minimumVersion: settings.minimumVersion == .tls13 ? .tls13 : .tls12,
        protocols: [.h2, .http1_1], clientAuthentication: authentication, ticketKeys: tickets)
    } catch {
      refuse(name.location, error.message)
      return nil
    }
  }

  private func security(_ settings: ListenerSettings) -> ListenerContext.Security? {
    switch settings.security {
    case .tls(let tls): return edgeTLS(tls, settings.name).map { .tls($0) }
    case .plaintext(.redirect(let port)): return .plaintext(.redirects(port: port))
    case .plaintext(.serve):
      let risk: String
      if case .unix = settings.address.value {
        risk = "let nobody connect to its socket but what has ended TLS before it"
      } else {
        risk = "whoever can listen on its network can read access tokens and use them"
      }
      warn(settings.name.location, "listener \(settings.name.value) serves without TLS: \(risk)")
      return .plaintext(.serves)
    }
  }

  func listener(_ settings: ListenerSettings, drainTime: Int) -> BuiltListener? {
    guard let security = security(settings) else { return nil }
    let limits = settings.limits
    let context = ListenerContext(
      name: settings.name.value, metricID: names.id(of: settings.name.value, in: .listener),
      address: settings.address.value.text, security: security,
      redirectsPlaintext: settings.security.redirectsPlaintext, expectsProxyHeader: settings.proxyProtocol,
      headerBytes: limits.headerBytes, headerCount: min(limits.headerCount, Exchange.fieldCapacity), uriBytes: limits.uriBytes,
      streams: limits.streams, connectionLimit: limits.connections, workers: workers, perClientLimit: limits.connectionsPerClient,
      handshakeTimeout: settings.timeouts.handshake, headerTimeout: settings.timeouts.header, idleTimeout: settings.timeouts.idle,
      content: TransferPace.Rules(
        silence: UInt64(settings.timeouts.body), rate: UInt64(settings.timeouts.bodyRate), total: UInt64(settings.timeouts.bodyTotal)),
      drainTime: drainTime,
      trusted: settings.trustedProxies.map { network in
        let halves = network.bytes.withUnsafeBytes { raw in
          (
            UInt64(bigEndian: raw.loadUnaligned(as: UInt64.self)),
            UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
          )
        }
        return ListenerTrust.Network(high: halves.0, low: halves.1, prefixLength: network.prefixLength)
      }, servesKeys: settings.servesJWKS, servesLogout: settings.servesLogout)
    return BuiltListener(context: context, address: settings.address.value, location: settings.address.location)
  }
}
