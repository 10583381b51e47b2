import CLinux
import Glibc

/// A directory of a test's own, removed with what is in it.
final class TemporaryDirectory: @unchecked Sendable {
  let path: String
  private var files: [String] = []

  init() {
    var template = Array("/tmp/gatehouse-tls-XXXXXX".utf8CString)
    path = String(cString: mkdtemp(&template))
  }

  deinit {
    for file in files { unlink(file) }
    rmdir(path)
  }

  /// Writes a file and answers its path.
  func write(_ name: String, _ contents: [UInt8]) -> String {
    let file = path + "/" + name
    let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    precondition(descriptor >= 0, "cannot write \(file)")
    let written = Glibc.write(descriptor, contents, contents.count)
    precondition(written == contents.count)
    close(descriptor)
    files.append(file)
    return file
  }
}
