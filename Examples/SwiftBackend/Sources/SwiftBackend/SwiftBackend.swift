import GatehouseBackend
import NIOSSL

/// A backend that greets the user whom the gateway vouches for, and nobody else.
@main
struct SwiftBackend {
  static func main() async throws {
    let options = try Options(CommandLine.arguments.dropFirst())

    // The gateway's public keys, believed because the mesh's authority vouches for whoever serves them.
    let download = try KeyDownload(url: options.keys, authority: options.keysAuthority)
    let keys = KeySetCache(
      cooldown: .seconds(options.cooldown),
      report: { event in
        switch event {
        case .installed(let set): print("keys: \(set.kids)")
        case .failed(let error): print("keys could not be fetched: \(error)")
        }
      },
      fetch: { try await download.fetch() })

    let verifier = InternalTokenVerifier(keys: keys, issuer: options.issuer, audience: options.audience)

    // Mutual TLS: who has no certificate of the mesh does not get as far as a request.
    var tls = TLSConfiguration.makeServerConfigurationWithMTLS(
      certificateChain: try NIOSSLCertificate.fromPEMFile(options.certificate).map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(file: options.key, format: .pem)), trustRoots: .file(options.authority))
    tls.minimumTLSVersion = .tlsv12

    try await Server(verifier: verifier, tls: try NIOSSLContext(configuration: tls)).run(host: options.host, port: options.port)
  }
}
