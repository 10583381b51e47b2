import Routing
import Yams

/// What is right as it stands and meets no request, or none that is meant.
extension DoubtfulPairs {
  func checkMatching() {
    for (row, route) in zip(rows["routes"] ?? [], configuration.routes) {
      checkHosts(row, route)
      checkPath(row, route)
      checkPrefix(row, route)
    }
  }

  /// Hosts are compared without their ports.
  private func checkHosts(_ row: Cursor, _ route: RouteSettings) {
    guard let list = row.value(at: "match", "hosts"), case .sequence(let sequence) = list.node else { return }
    for (node, host) in zip(sequence, route.match.hosts) {
      let name = String(decoding: Array(host.utf8)[HostPattern.hostRange(Array(host.utf8).span)], as: UTF8.self)
      guard host.dropFirst(name.utf8.count).hasPrefix(":") else { continue }
      Cursor(node, list.file).warn("the port changes nothing, since a host is compared without it: write `\(name)`")
    }
  }

  /// What other gateways read as patterns, and this one as it stands.
  private func checkPath(_ row: Cursor, _ route: RouteSettings) {
    for segment in route.match.path.split(separator: "/") {
      if segment.hasPrefix(":"), segment.count > 1 {
        row.value(at: "match", "path")?.warn(
          "`\(segment)` is taken as it stands: write `{\(segment.dropFirst())}` if any one segment is meant")
      } else if segment.contains(where: { "[]^|".contains($0) }) {
        row.value(at: "match", "path")?.warn(
          "`\(segment)` is taken as it stands and not as a regular expression: write `{name}` for one segment, or `/**` at the end for all")
      }
    }
  }

  /// A prefix that the route's paths cannot have is never removed.
  private func checkPrefix(_ row: Cursor, _ route: RouteSettings) {
    guard let prefix = route.stripPrefix, let stripped = try? RoutePattern(prefix), let path = try? RoutePattern(route.match.path),
      !stripped.mayBegin(path)
    else { return }
    row.value(at: "rewrite", "strip_prefix")?.warn(
      "no path of this route begins with `\(prefix)`, so nothing is removed: write the front of `\(route.match.path)`, or leave it out")
  }

  /// Compared byte for byte; nobody sees such a space.
  func checkIssuers() {
    for (row, provider) in zip(rows["identity_providers"] ?? [], configuration.identityProviders) {
      let issuer = provider.issuer.value
      guard issuer.first?.isWhitespace == true || issuer.last?.isWhitespace == true else { continue }
      row.value(at: "issuer")?.warn("the issuer begins or ends with a space, which its tokens' `iss` would have to have: leave it out")
    }
  }

  /// Tokens that have to be bound to a certificate, where nobody is asked for one.
  func checkCertificatesAreAskedFor() {
    let isAsked = serving.contains { if case .tls(let tls) = $0.security { tls.clientAuth != .none } else { false } }
    guard !isAsked else { return }
    for (row, provider) in zip(rows["identity_providers"] ?? [], configuration.identityProviders)
    where provider.proof.certificate == .required {
      row.value(at: "proof_of_possession", "certificate")?.warn(
        "every token is refused, since no listener asks for a certificate: write `client_auth: required` or `optional`, and `client_ca`, "
          + "in the `tls` of a listener")
    }
  }
}

extension RoutePattern {
  /// Whether some path that `pattern` takes begins with these segments.
  fileprivate func mayBegin(_ pattern: RoutePattern) -> Bool {
    guard segments.count <= pattern.segments.count || pattern.isPrefix else { return false }
    return zip(segments, pattern.segments).allSatisfy { $1 == .parameter || $0 == $1 }
  }
}
