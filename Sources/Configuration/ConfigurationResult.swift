import Routing

/// What reading a configuration comes to.
package enum ConfigurationResult: Sendable {
  case loaded(LoadedConfiguration)
  /// Everything wrong with it, in the order of files, lines and columns; never empty.
  case rejected([Diagnostic])
}

/// A valid configuration and what was made of it.
package struct LoadedConfiguration: Sendable {
  package let configuration: GatewayConfiguration
  /// Matches give indexes into `configuration.routes`.
  package let routes: RouteTable
  /// In the order they were read.
  package let files: [LoadedFile]
  /// SHA-256 of the files' content one after the other, in lower-case hexadecimal: what `cat FILES | sha256sum` prints.
  package let sha256: String
  /// What is no error, but worth a look, in the order of files, lines and columns.
  package let warnings: [Diagnostic]
}

/// A file that was read.
package struct LoadedFile: Sendable, Equatable {
  package let path: String
  /// Of its content, in lower-case hexadecimal.
  package let sha256: String
}
