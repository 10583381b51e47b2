import CLinux
import Foundation

/// Where a demo keeps its keys and routes: the checkout it was started in, or a directory of its own.
package struct DemoWorkspace: Sendable {
  package let directory: String
  /// Removed at the end: made for this run alone.
  private let isTemporary: Bool

  package var routes: String { path("Routes") }
  package var certificates: String { path("Certs") }

  /// `directory`, or the current one when it holds `Routes/gateway.yaml`, or else a new temporary one. What is missing in it is
  /// made: the example routes, and a development PKI.
  package init(directory: String?) throws {
    if let directory {
      self.directory = directory
      isTemporary = false
    } else if access("Routes/gateway.yaml", R_OK) == 0 {
      self.directory = "."
      isTemporary = false
    } else {
      let made = FileManager.default.temporaryDirectory.appendingPathComponent("gatehouse-demo-\(UUID().uuidString)").path
      self.directory = made
      isTemporary = true
    }
    try fill()
  }

  private func fill() throws {
    if access(routes + "/gateway.yaml", R_OK) != 0 {
      try TextFile.makeDirectory(routes)
      for file in ExampleRoutes.files { try TextFile.write(Array(file.text.utf8), to: "\(routes)/\(file.name)", mode: 0o644) }
    }
    _ = try DevelopmentPKI(directory: certificates).make()
  }

  /// Removes a temporary directory; leaves any other.
  package func remove() {
    if isTemporary { try? FileManager.default.removeItem(atPath: directory) }
  }

  private func path(_ name: String) -> String { directory == "." ? name : "\(directory)/\(name)" }
}
