import Glibc

/// The descriptors that the process has open.
enum Descriptors {
  static var count: Int {
    guard let folder = opendir("/proc/self/fd") else { violation("no /proc") }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    return count
  }
}

/// `close` for the whole process: each descriptor is closed once. A second time it might be somebody else's.
@_cdecl("close")
public func closeOnce(_ descriptor: Int32) -> Int32 {
  var status = stat()
  if fstat(descriptor, &status) != 0 { violation("descriptor \(descriptor) is closed, and is not open") }
  return closeRange(UInt32(bitPattern: descriptor), UInt32(bitPattern: descriptor), 0)
}

@_silgen_name("close_range") private func closeRange(_ first: UInt32, _ last: UInt32, _ flags: Int32) -> Int32
