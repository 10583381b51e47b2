/// Builds Prometheus's text exposition format, version 0.0.4.
struct PrometheusText {
  enum Kind: String { case counter, gauge, histogram }

  private(set) var bytes: [UInt8] = []

  /// Begins a family. All its samples follow before the next begins.
  mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    append("# HELP \(name) ")
    for byte in help.utf8 {
      switch byte {
      case 0x5c: append("\\\\")
      case 0x0a: append("\\n")
      default: bytes.append(byte)
      }
    }
    append("\n# TYPE \(name) \(kind.rawValue)\n")
  }

  mutating func sample(_ name: String, _ labels: [(name: String, value: String)] = [], _ value: UInt64) {
    begin(name, labels)
    append("\(value)\n")
  }

  mutating func sample(_ name: String, _ labels: [(name: String, value: String)] = [], _ value: Double) {
    begin(name, labels)
    append(value.isNaN ? "NaN\n" : value.isInfinite ? (value > 0 ? "+Inf\n" : "-Inf\n") : "\(value)\n")
  }

  private mutating func begin(_ name: String, _ labels: [(name: String, value: String)]) {
    append(name)
    if !labels.isEmpty {
      bytes.append(0x7b)
      for (index, label) in labels.enumerated() {
        if index > 0 { bytes.append(0x2c) }
        append(label.name)
        append("=\"")
        for byte in label.value.utf8 {
          switch byte {
          case 0x5c: append("\\\\")
          case 0x22: append("\\\"")
          case 0x0a: append("\\n")
          default: bytes.append(byte)
          }
        }
        bytes.append(0x22)
      }
      bytes.append(0x7d)
    }
    bytes.append(0x20)
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
}
