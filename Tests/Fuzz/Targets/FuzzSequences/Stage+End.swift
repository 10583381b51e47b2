import Glibc

extension Stage {
  /// Removes what was made for it: keys, certificates, the backends' sockets.
  func clear() {
    guard let folder = opendir(directory) else { return }
    defer { closedir(folder) }
    while let entry = readdir(folder) {
      withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { _ = unlink(directory + "/" + String(cString: $0)) }
      }
    }
    rmdir(directory)
  }
}
