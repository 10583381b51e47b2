import FuzzDriver
import Glibc
import Proxy
import Reactor

/// Whatever comes, in whatever order, the worker's account of itself is in order, nobody gets another's bytes, and in the end nothing
/// is left: see `Bench` for what is played and `Script` for how it is written.
private func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let script = Script(UnsafeBufferPointer(start: start, count: count))
  let before = Descriptors.count
  weak var worker: WorkerContext?
  weak var loop: EventLoop?
  do {
    let bench = Bench(Stage.shared)
    bench.play(script)
    bench.end()
    (worker, loop) = (bench.worker, bench.loop)
  }
  guard worker == nil, loop == nil else { violation("somebody still holds the worker or its loop") }
  let after = Descriptors.count
  guard before == after else { violation("\(before) descriptors were open before, \(after) are after") }
  return 0
}

/// Says what is wrong, and stops.
func violation(_ what: String) -> Never {
  say("violation: \(what)")
  abort()
}

/// Says what happens, where somebody asked for it.
let isTraced = getenv("FUZZ_TRACE") != nil
func trace(_ what: @autoclosure () -> String) {
  if isTraced { say(what()) }
}

private func say(_ what: String) {
  let line = Array((what + "\n").utf8)
  _ = write(2, line, line.count)
}

/// SwiftPM makes `main` of an executable this name; libFuzzer's own `main` never comes to be called.
@_cdecl("FuzzSequences_main")
public func main(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
  signal(SIGPIPE, SIG_IGN)
  _ = Stage.shared
  atexit { Stage.shared.clear() }
  return FuzzDriver.run(count, arguments, fuzz)
}
