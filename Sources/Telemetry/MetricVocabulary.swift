/// The words behind the numbers that workers count by. The layers that have these enums hand the words in, so that metrics
/// depend on none of them. A number without a word is written as itself.
package struct MetricVocabulary: Sendable {
  /// By denial code.
  package var denialCodes: [String]
  /// By result of a TLS handshake.
  package var handshakeResults: [String]
  /// By result of a request to a backend.
  package var upstreamResults: [String]

  package init(denialCodes: [String], handshakeResults: [String], upstreamResults: [String]) {
    self.denialCodes = denialCodes
    self.handshakeResults = handshakeResults
    self.upstreamResults = upstreamResults
  }

  static func word(_ number: Int, _ words: [String]) -> String {
    words.indices.contains(number) && !words[number].isEmpty ? words[number] : String(number)
  }
}
