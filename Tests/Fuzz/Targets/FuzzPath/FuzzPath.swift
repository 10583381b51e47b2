import FuzzDriver
import HTTP

private func canonical(_ path: [UInt8], _ rules: PathRules) -> [UInt8]? {
  var output = [UInt8](repeating: 0, count: path.count)
  var span = output.mutableSpan
  let result = CanonicalPath.canonicalise(path.span, rules, into: &span)
  switch result {
  case .refused: return nil
  case .unchanged: return path
  case .rewritten(let count): return Array(output[..<count])
  }
}

/// A canonical path is canonical, no longer than it was, and holds nothing that a second reader would act upon.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let path = Array(UnsafeBufferPointer(start: start, count: count))
  for number in 0..<4 {
    let rules = PathRules(mergesSlashes: number & 1 != 0, allowsParameters: number & 2 != 0)
    guard let once = canonical(path, rules) else { continue }
    precondition(once.first == UInt8(ascii: "/") && once.count <= path.count)
    for merges in [false, true] {
      precondition(canonical(once, PathRules(mergesSlashes: merges, allowsParameters: rules.allowsParameters)) == once)
    }
    precondition(rules.allowsParameters || !once.contains(UInt8(ascii: ";")))
    precondition(!once.contains { $0 <= 0x20 || $0 >= 0x7f || [0x5c, 0x3f, 0x23].contains($0) })
    for (index, segment) in once.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).enumerated() {
      precondition(segment != [0x2e] && segment != [0x2e, 0x2e])
      precondition(!segment.isEmpty || index == 0 || once.last == UInt8(ascii: "/"))
    }
  }
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzPath_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
