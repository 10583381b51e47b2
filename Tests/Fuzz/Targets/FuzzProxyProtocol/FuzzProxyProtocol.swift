import FuzzDriver
import Reactor
import Transport

private enum Outcome: Equatable {
  case done(Int, PeerAddress?)
  case refused
  case incomplete
}

/// What comes of a header that arrives `piece` bytes at a time: in the end, and how many bytes were taken.
private func read(_ bytes: [UInt8], piece: Int) -> Outcome {
  var header = ProxyProtocolHeader()
  var taken = 0
  var arrived = 0
  while arrived < bytes.count {
    arrived = min(bytes.count, arrived + piece)
    while taken < arrived {
      switch bytes[taken..<arrived].withUnsafeBufferPointer({ header.read($0) }) {
      case .more(let count):
        precondition(count > 0 && count <= arrived - taken)
        taken += count
      case .done(let count, let address):
        precondition(count >= 0 && count <= arrived - taken && taken + count <= ProxyProtocolHeader.longest)
        return .done(taken + count, address)
      case .refused: return .refused
      }
    }
  }
  return .incomplete
}

/// The reading does not depend on how the bytes arrive.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  let whole = read(bytes, piece: .max / 2)
  precondition(read(bytes, piece: 1) == whole && read(bytes, piece: 7) == whole)
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzProxyProtocol_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
