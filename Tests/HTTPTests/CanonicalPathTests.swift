import Testing

@testable import HTTP

@Suite("Canonical paths")
struct CanonicalPathTests {
  /// What `path` becomes; nil when it is refused.
  static func canonical(_ path: [UInt8], merge: Bool = false, parameters: Bool = false) -> [UInt8]? {
    var output = [UInt8](repeating: 0, count: path.count)
    var span = output.mutableSpan
    let result = CanonicalPath.canonicalise(path.span, PathRules(mergesSlashes: merge, allowsParameters: parameters), into: &span)
    switch result {
    case .unchanged: return path
    case .rewritten(let count): return Array(output[..<count])
    case .refused: return nil
    }
  }

  static func canonical(_ path: String, merge: Bool = false, parameters: Bool = false) -> String? {
    canonical(Array(path.utf8), merge: merge, parameters: parameters).map { String(decoding: $0, as: UTF8.self) }
  }

  @Test(
    "what two readers read alike is kept or simplified",
    arguments: [
      ("/", "/"), ("/a", "/a"), ("/a/", "/a/"), ("/a/b.c", "/a/b.c"), ("/a/...", "/a/..."), ("/.well-known/x", "/.well-known/x"),
      ("/%7Euser", "/~user"), ("/%41%2d%5f%2E%7e", "/A-_.~"), ("/a%20b", "/a%20b"), ("/a%3Fb", "/a%3Fb"), ("/a%3fb", "/a%3fb"),
      ("/%C3%A9", "/%C3%A9"), ("/%e9", "/%e9"), ("/%252e%252e/", "/%252e%252e/"), ("/a/./b", "/a/b"), ("/a/../b", "/b"),
      ("/a/%2e%2E/b", "/b"), ("/a/.%2e", "/"), ("/a/b/..", "/a/"), ("/a/.", "/a/"), ("/.", "/"),
      ("/a|b[c]{d}^", "/a|b[c]{d}^"), ("/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,="), ("/a%25", "/a%25"),
      ("/%e0%a4%a4", "/%e0%a4%a4"), ("/%f0%9f%98%80", "/%f0%9f%98%80"), ("/a/b/../../c", "/c"), ("/a/..b", "/a/..b"),
    ])
  func accepted(path: String, expected: String) {
    #expect(Self.canonical(path) == expected)
  }

  @Test(
    "what two readers may read differently is refused",
    arguments: [
      "", "a", "*", "//", "/a//b", "//a", "/a//", "/..", "/../a", "/a/../..", "/a/../../b", "/%2e%2e", "/a/..;/b", "/a/.;x",
      "/..;",
      "/a/..%3b/b", "/a/%2e%2e;x", "/%2e%3B", "/a%2fb", "/a%2Fb", "/a%5cb", "/a%5Cb", "/a\\b", "/%00", "/%0a", "/%0D", "/%1f",
      "/%7f", "/%", "/%4", "/%zz", "/%2", "/a%2", "/%%32e", "/a#b", "/a?b", "/a b", "/a\u{7f}", "/a\tb", "/a\nb", "/é", "/a\"",
      "/<a>",
      "/`", "/%c0%af", "/%C1%9c", "/%c0%ae%c0%ae/", "/%e0%80%af", "/%f0%80%80%af",
    ])
  func refused(path: String) {
    #expect(Self.canonical(path) == nil)
  }

  @Test(
    "parameters of a segment are kept where the operator allows them, and refused elsewhere",
    arguments: [
      "/a;v=1/b", "/a/.b;c", "/;/a", "/a;", "/;", "/a%3bx", "/a%3Bx/b", "/a/b;x=y;z", "/...;x", "/a;%2e",
    ])
  func parameters(path: String) {
    #expect(Self.canonical(path) == nil)
    #expect(Self.canonical(path, merge: true) == nil)
    #expect(Self.canonical(path, parameters: true) == path.replacing("%2e", with: "."))
  }

  @Test(
    "on a dot segment they are refused even then", arguments: ["/a/..;/b", "/a/.;x", "/..;", "/a/..%3bx", "/%2e%2e;x", "/.%3B"])
  func parametersOfDots(path: String) {
    #expect(Self.canonical(path, parameters: true) == nil)
  }

  @Test(
    "slashes are merged where the route table asks for it",
    arguments: [
      ("//", "/"), ("/a//b", "/a/b"), ("///a////", "/a/"), ("/a//../b", "/b"), ("/a//./b", "/a/b"), ("/a/.//b", "/a/b"),
    ])
  func merged(path: String, expected: String) {
    #expect(Self.canonical(path, merge: true) == expected)
  }

  @Test("merging does not let a path climb above the root", arguments: ["//..", "///../a", "/a//../../b"])
  func mergedClimb(path: String) {
    #expect(Self.canonical(path, merge: true) == nil)
  }

  @Test("canonicalising twice is canonicalising once, and never lengthens", arguments: [false, true], [false, true])
  func idempotent(merge: Bool, parameters: Bool) {
    var random = SplitMix(state: 7)
    let pieces = [
      "/", "/", ".", "..", "%2e", "%2E", "a", "b;c", ";", "%2f", "%20", "%41", "%25", "%3b", "%e0", "%80", "%c3%a9",
      "//", "~", "%",
    ]
    var kept = 0
    for _ in 0..<50_000 {
      var path = "/"
      for _ in 0..<Int.random(in: 0...8, using: &random) { path += pieces.randomElement(using: &random)! }
      guard let once = Self.canonical(path, merge: merge, parameters: parameters) else { continue }
      kept += 1
      #expect(once.utf8.count <= path.utf8.count)
      #expect(Self.canonical(once, merge: merge, parameters: parameters) == once)
      #expect(Self.canonical(once, parameters: parameters) == once)
      #expect(!once.split(separator: "/").contains { $0 == "." || $0 == ".." })
    }
    #expect(kept > 5_000)
  }

  @Test("an output too small is a refusal, not a trap")
  func smallOutput() {
    let path = Array("/a/../b".utf8)
    var output: [UInt8] = []
    var span = output.mutableSpan
    let result = CanonicalPath.canonicalise(path.span, PathRules(), into: &span)
    #expect(result == .refused)
  }
}

/// A small generator with a seed, so that a failure repeats.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
