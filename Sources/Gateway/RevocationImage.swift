import Foundation
import Reactor
import Tokens

/// A deny-list as it stood in its file at a moment.
struct RevocationImage: Sendable {
  struct Failure: Error, Equatable, Sendable {
    /// Behind the file's name.
    let message: String
    /// Line and column, where a line is to blame.
    let place: [Int]
    /// Of the file that could not be used, when there is one; it is not read again before it changes.
    var signature: Signature?
    /// As an image's.
    var isFresh = false

    init(_ message: String, place: [Int] = []) {
      self.message = message
      self.place = place
    }

    /// `FILE:LINE:COLUMN: message`, or `FILE message`.
    func text(_ path: String) -> String {
      place.isEmpty ? "\(path) \(message)" : "\(path):\(place[0]):\(place[1]): \(message)"
    }
  }

  let signature: Signature
  let table: RevocationTable
  /// Written to so shortly before it was read that one more write might not show in the signature: the kernel's clock for files
  /// goes in steps.
  let isFresh: Bool
  private static let step: Int64 = 50_000_000

  /// Reads the whole file, which takes about 3 s for a million entries: not for a thread that has other work.
  static func read(_ path: String) throws(Failure) -> RevocationImage {
    while true {
      let signature = try Signature.look(path)
      guard signature.size <= RevocationFile.maximumBytes else {
        var failure = Failure("has more than \(RevocationFile.maximumBytes >> 20) MiB")
        failure.signature = signature
        throw failure
      }
      let now = Int64(Clock.realNanoseconds())
      guard let data = FileManager.default.contents(atPath: path) else { throw Failure("cannot be read: permission denied") }
      // Changed while it was read, or shortly before: what was read is perhaps half of it.
      guard try Signature.look(path) == signature else { continue }
      let isFresh = signature.isFresh(step, before: now)
      do throws(RevocationFile.Failure) {
        let table = try Self.table(data, now: now / 1_000_000_000)
        return RevocationImage(signature: signature, table: table, isFresh: isFresh)
      } catch {
        var failure = Failure(error.message, place: [error.line, error.column])
        failure.signature = signature
        failure.isFresh = isFresh
        throw failure
      }
    }
  }

  private static func table(_ data: Data, now: Int64) throws(RevocationFile.Failure) -> RevocationTable {
    try RevocationFile.read([UInt8](data).span, now: now)
  }
}
