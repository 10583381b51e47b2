import FuzzDriver
import HTTP
import Tokens

/// An entry that was read is written and read again as the same; a list of any bytes is read or refused, with a line that it has;
/// a form gives what stands in it or nothing.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  if let entry = try? Revocation(bytes) {
    precondition(entry.text.count <= 6 * count + 64)
    if let again = try? Revocation(entry.text) {
      precondition(again == entry)
    } else {
      precondition(entry.text.count > Revocation.maximumCount)
    }
  }
  do throws(RevocationFile.Failure) {
    let table = try RevocationFile.read(bytes.span, now: 1_000)
    precondition(table.count <= bytes.count(where: { $0 == 0x0a }) + 1 && table.firstEnd > 1_000)
  } catch {
    precondition((1...bytes.count(where: { $0 == 0x0a }) + 1).contains(error.line) && error.column >= 1)
  }
  if let value = FormContent.value(of: "logout_token", in: bytes) { precondition(!value.isEmpty && value.count < count) }
  return 0
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzRevocation_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  FuzzDriver.run(count, arguments, fuzz)
}
