import Configuration
import Foundation
import Tokens

/// `gatehouse keys rotate` and `gatehouse keys status`: what operators do with a key directory. Running gateways see it by
/// themselves.
package struct KeyRotator {
  private let configuration: GatewayConfiguration
  private let directory: KeyDirectory
  private let publishAhead: Int64

  /// - Throws: when the configuration is refused, or has no key directory.
  package init(path: String) throws(KeySetError) {
    switch ConfigurationLoader.load(path: path, environment: ProcessInfo.processInfo.environment) {
    case .rejected(let diagnostics): throw KeySetError(diagnostics.map(\.description).joined(separator: "\n"))
    case .loaded(let loaded): configuration = loaded.configuration
    }
    guard let settings = configuration.internalToken else { throw KeySetError("\(path) has no `internal_token`") }
    guard let place = settings.keyDirectory else {
      throw KeySetError(
        "\(settings.location): `signing_keys` is a list, which you edit yourself: write `signing_keys: { directory: … }` to have "
          + "keys rotated")
    }
    directory = KeyDirectory(path: place.value)
    publishAhead = Int64(settings.publishAhead) / 1000
  }

  /// Makes a new key that follows the one that signs; the first key signs at once. Keys whose last token has expired are removed.
  ///
  /// - Parameters:
  ///   - algorithm: ES256 or EdDSA; by default that of the key that signs.
  ///   - existing: a key to take over as the first one, with its name, instead of making one.
  /// - Returns: what was done, or would be, in sentences.
  package func rotate(
    algorithm: JOSEAlgorithm?, existing: (pem: [UInt8], kid: String)? = nil, isRehearsal: Bool = false
  ) throws(KeySetError) -> [String] {
    if !isRehearsal {
      try directory.make()
    }
    var report: [String] = []
    var gone: [KeyManifest.Entry] = []
    func change(_ manifest: inout KeyManifest) throws(KeySetError) -> Bool {
      let now = SnapshotBuilder.now
      let schedule = schedule(manifest)
      for (index, entry) in manifest.entries.enumerated() {
        if case .gone(let since) = schedule.phase(of: index, at: now) {
          gone.append(entry)
          report.append("\(entry.kid): removed; no token of it has been alive since \(UTCTime.text(since))")
        }
      }
      let entry = try newEntry(manifest, schedule, algorithm, existing, now: now, writes: !isRehearsal)
      manifest.entries.removeAll { entry in gone.contains { $0.kid == entry.kid } }
      manifest.entries.append(entry)
      let kind = entry.algorithm.name
      if entry.signsFrom != nil {
        report.append("\(entry.kid) (\(kind)): the first key, signs at once")
      } else {
        report.append(
          "\(entry.kid) (\(kind)): next; running gateways publish it within a second, and sign with it "
            + "\(publishAhead + KeyManifest.settling) s later")
      }
      return !isRehearsal
    }
    if isRehearsal {
      var manifest = directory.stamp == nil ? KeyManifest() : try directory.load().manifest
      _ = try change(&manifest)
      return report.map { "would be: " + $0 }
    }
    try directory.update(waits: true, change)
    for entry in gone { try? FileManager.default.removeItem(atPath: directory.path + "/" + entry.file) }
    return report
  }

  private func newEntry(
    _ manifest: KeyManifest, _ schedule: KeySchedule, _ algorithm: JOSEAlgorithm?, _ existing: (pem: [UInt8], kid: String)?,
    now: Int64,
    writes: Bool
  ) throws(KeySetError) -> KeyManifest.Entry {
    let current =
      (configuration.keyUses.first ?? nil).map { schedule.signer(for: $0, at: now) } ?? schedule.signer(for: nil, at: now)
    let chosen = algorithm ?? (configuration.keyUses.first ?? nil) ?? current.map { manifest.entries[$0].algorithm } ?? .es256
    if existing != nil, !manifest.entries.isEmpty {
      throw KeySetError("a key is taken over as the first one only: \(directory.path) has keys")
    }
    for (index, entry) in manifest.entries.enumerated() where entry.algorithm == chosen {
      if case .next(let from) = schedule.phase(of: index, at: now) {
        throw KeySetError(
          "\(entry.kid) is on its way already, and "
            + (from.map { "signs from \(UTCTime.text($0)) on" } ?? "waits for a gateway to publish it"))
      }
    }
    let pem: [UInt8]
    var algorithm = chosen
    if let existing {
      pem = existing.pem
      let fits = try PEMKey(privateKey: pem).algorithms
      algorithm = fits.contains(.edDSA) ? .edDSA : .es256
    } else {
      pem = try KeyGeneration.makePEM(chosen == .edDSA ? .edDSA : .es256)
    }
    let probe = try SigningKey(kid: existing?.kid ?? "new", algorithm: algorithm, pem: pem)
    let kid = existing?.kid ?? Self.name(of: probe, now: now)
    guard !kid.hasPrefix("."), kid.utf8.count <= 64, kid.utf8.allSatisfy(Self.isNameByte) else {
      throw KeySetError("a kid has up to 64 letters, digits, `-`, `_` and `.`")
    }
    if writes { try directory.write(pem, to: "\(directory.path)/\(kid).key", mode: 0o600) }
    return KeyManifest.Entry(
      kid: kid, algorithm: algorithm, file: "\(kid).key", createdAt: now, publishedAt: nil,
      signsFrom: manifest.entries.isEmpty ? now : nil, tokenLife: configuration.tokenLife)
  }

  /// The day, and what tells two keys of a day apart.
  private static func name(of key: SigningKey, now: Int64) -> String {
    let digits = Array("0123456789abcdef")
    var name = "\(UTCTime.text(now).prefix(10))-"
    for byte in key.thumbprint.prefix(3) { name += "\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])" }
    return name
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2d || byte == 0x2e || byte == 0x5f
  }

  private func schedule(_ manifest: KeyManifest) -> KeySchedule {
    manifest.schedule(tokenLife: configuration.tokenLife, uses: configuration.keyUses)
  }

  /// Each key and what happens with it, in lines.
  package func status() throws(KeySetError) -> [String] {
    let now = SnapshotBuilder.now
    let (manifest, _) = try directory.load()
    let rows = schedule(manifest).rows(at: now).map { $0.text(inDirectory: true) }
    return rows + ["now: \(UTCTime.text(now)); a key is published \(publishAhead + KeyManifest.settling) s before it signs"]
  }
}
