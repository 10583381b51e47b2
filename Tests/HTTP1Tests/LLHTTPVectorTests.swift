import Foundation
import HTTP
import Testing

@testable import HTTP1

/// The test cases of llhttp, Node.js's parser, in its strict mode, against ours.
///
/// Most of its requests have no `Host`; they get one before they are parsed, for the rule that is under test is another.
@Suite("llhttp's test cases")
struct LLHTTPVectorTests {
  struct Case: Decodable, CustomTestStringConvertible, Sendable {
    struct Fault: Decodable, Sendable { var code: Int }
    var file: String
    var title: String
    var type: String
    var error: Fault?
    var messages_complete: Int
    var payload: String
    var testDescription: String { "\(file): \(title)" }

    /// Codes that are no refusal: bytes after the last message of a connection, an upgrade, HTTP/2's preface.
    var isRefused: Bool { error.map { ![5, 22, 23].contains($0.code) } ?? false }
  }

  /// Titles of cases that we answer otherwise, and why.
  static let disagreements: [String: String] = [
    "No HTTP version": "HTTP/0.9 has no heads, so nothing of our policy could be applied to it",
    "HTTP version 0.9": "HTTP/0.9 has no status line",
    "curl GET": "`0.0.0.0=5000` is no host",
    "Firefox GET": "`0.0.0.0=5000` is no host",
    "M-SEARCH request": "`*` is for OPTIONS only",
    "PRI request HTTP2": "`*` is for OPTIONS only",
    "SOURCE request with ICE": "ICE is not HTTP", "ICE response": "ICE is not HTTP",
    "OPTIONS request with RTSP": "RTSP is not HTTP", "ANNOUNCE request with RTSP": "RTSP is not HTTP",
    "RTSP response": "RTSP is not HTTP",
    "HTTP protocol and ANNOUNCE method": "methods that we do not know are legal tokens and meet the route table",
    "Invalid method": "methods that we do not know are legal tokens and meet the route table",
    "Fragment in URI": "a fragment never leaves a client; whoever sends one wants two readings",
    "`host:port` and basic auth": "user information in a target hides its host",
    "`chunked` / Trailing headers": "Content-Type in a trailer would be believed after the decision",
    "POST with `chunked` as last transfer-encoding": "only `chunked` alone: we take off no other coding",
    "POST with `chunked` as last transfer-encoding (multiple headers)": "only `chunked` alone: we take off no other coding",
    "`chunked` before other transfer-encoding": "only `chunked` alone, in responses too",
    "multiple transfer-encoding where chunked is not the last one": "only `chunked` alone, in responses too",
    "`chunkedchunked` transfer-encoding does not enable chunked enconding": "only `chunked` alone, in responses too",
    "Response starting with CRLF": "bytes before a status line belong to no response",
    "HTTP 304 with Content-Length": "bytes before a status line belong to no response",
    "HTTP 100 first, then 400": "bytes before a status line belong to no response",
    "Google 301": "bytes before a status line belong to no response",
    "Content-Length reset when no body is received": "llhttp was told to skip the content; ours waits for it",
    "`keep-alive` / CRLF between requests, implicit `keep-alive`":
      "the payload runs on into the next case, whose verdict this is",
    "Should parse multiple events": "in responses: bytes before a status line belong to no response",
  ]

  static let cases: [Case] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../../shared/vectors/http1/llhttp_cases.jsonl").standardizedFileURL
    guard let text = try? String(contentsOf: file, encoding: .utf8) else {
      print("skipped: llhttp's test cases are not at \(file.path)")
      return []
    }
    return text.split(separator: "\n").compactMap { try? JSONDecoder().decode(Case.self, from: Data($0.utf8)) }
      .filter { $0.type == "request" || $0.type == "response" }
  }()

  @Test("agree, but for the disagreements that are written down", .enabled(if: !cases.isEmpty, "skipped: no vectors"))
  func agree() {
    var used: Set<String> = []
    for example in Self.cases {
      let (count, error) = example.type == "request" ? Self.readRequests(example) : Self.readResponses(example)
      let agrees =
        example.isRefused
        ? count <= example.messages_complete
        : error == nil && count == example.messages_complete
      if Self.disagreements[example.title] != nil {
        if !agrees { used.insert(example.title) }
      } else if !agrees {
        Issue.record(
          "\(example): read \(count) messages, then \(String(describing: error)); llhttp \(example.messages_complete)")
      }
    }
    #expect(Set(Self.disagreements.keys).subtracting(used) == [], "no disagreement any more")
  }

  /// How many messages are whole, and why the next is refused.
  static func readRequests(_ example: Case) -> (Int, HeadError?) {
    var text = example.payload
    if text.range(of: "\nHost:", options: .caseInsensitive) == nil {
      var host = "a"
      if let url = text.split(separator: " ").dropFirst().first,
        let authority = url.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2).first,
        url.hasPrefix("http")
      {
        host = String(authority.split(separator: "?").first ?? "")
      }
      text = text.replacing("HTTP/1.1\r\n", with: "HTTP/1.1\r\nHost: \(host)\r\n")
    }
    // What follows a request for an upgrade is no HTTP to the vectors.
    let asksForUpgrade = text.lowercased().contains("upgrade:")
    var bytes = Array(text.utf8)
    var count = 0
    while !bytes.isEmpty {
      switch Wire.request(bytes) {
      case .needMore: return (count, nil)
      case .failed(let error): return (count, error)
      case .head(let head):
        bytes.removeFirst(head.length)
        let (isWhole, error) = skipContent(head.framing, &bytes)
        if isWhole { count += 1 }
        if !isWhole || !head.isPersistent || asksForUpgrade || head.method == "CONNECT" { return (count, error) }
      }
    }
    return (count, nil)
  }

  static func readResponses(_ example: Case) -> (Int, HeadError?) {
    var bytes = Array(example.payload.utf8)
    var count = 0
    while !bytes.isEmpty {
      switch Wire.response(bytes) {
      case .needMore: return (count, nil)
      case .failed(let error): return (count, error)
      case .head(let head):
        bytes.removeFirst(head.length)
        let (isWhole, error) = skipContent(head.framing, &bytes)
        if isWhole { count += 1 }
        if !isWhole || !head.isPersistent || head.status == 101 { return (count, error) }
      }
    }
    return (count, nil)
  }

  static func skipContent(_ framing: BodyFraming, _ bytes: inout [UInt8]) -> (isWhole: Bool, HeadError?) {
    switch framing {
    case .none: return (true, nil)
    case .length(let length):
      guard UInt64(bytes.count) >= length else { return (false, nil) }
      bytes.removeFirst(Int(length))
      return (true, nil)
    case .chunked:
      switch Wire.chunks(bytes) {
      case .needMore: return (false, nil)
      case .failed(let error): return (false, error)
      case .head(let chunks):
        bytes.removeFirst(chunks.consumed)
        return (true, nil)
      }
    case .untilClose, .stream: return (false, nil)
    }
  }
}
