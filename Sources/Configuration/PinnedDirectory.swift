import Foundation

/// A directory whose links are followed once, so that what is read in it is of one version.
///
/// Kubernetes replaces the files of a mounted ConfigMap all at once: each is a link through `..data`, itself a link, which is exchanged.
/// Others exchange a link to the whole directory. Whoever follows such a link for each file may read half of the old and half of the new.
struct PinnedDirectory: Equatable {
  /// The directory itself.
  let path: String
  /// What `..data` leads to, if it is there.
  private let data: String?

  private static let dataName = "..data"

  init(_ directory: String) {
    let resolved = URL(fileURLWithPath: directory).resolvingSymlinksInPath().path
    path = resolved
    let link = "\(resolved)/\(Self.dataName)"
    let exists = (try? FileManager.default.destinationOfSymbolicLink(atPath: link)) != nil
    data = exists ? URL(fileURLWithPath: link).resolvingSymlinksInPath().path : nil
  }

  /// Where the file `name` is to be read.
  func place(of name: String) -> String {
    let own = "\(path)/\(name)"
    guard let data, let target = try? FileManager.default.destinationOfSymbolicLink(atPath: own),
      target.hasPrefix("\(Self.dataName)/")
    else { return own }
    return data + target.dropFirst(Self.dataName.count)
  }
}
