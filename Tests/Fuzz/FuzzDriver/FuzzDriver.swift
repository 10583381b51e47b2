/// libFuzzer's loop, called instead of being the program: SwiftPM gives `main` another name before it links.
package enum FuzzDriver {
  package typealias Test = @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt

  package static func run(
    _ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ test: Test
  ) -> CInt {
    var count = count
    var arguments = arguments
    return LLVMFuzzerRunDriver(&count, &arguments, test)
  }
}

@_silgen_name("LLVMFuzzerRunDriver")
private func LLVMFuzzerRunDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
  _ test: FuzzDriver.Test
) -> CInt
