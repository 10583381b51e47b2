import CLinux

/// A value that several threads use, one at a time. Off the request path.
///
/// A POSIX mutex rather than `Synchronization.Mutex`: the thread sanitizer knows what it orders, while the other's atomics
/// are hidden in a library that is not instrumented, so that every use of it would be reported as a race.
@safe package final class Locked<Value: Sendable>: @unchecked Sendable {
  // Made by `init`, given back by `deinit`, and handed out to nobody.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var value: Value

  package init(_ value: Value) {
    self.value = value
    unsafe mutex = .allocate(capacity: 1)
    // Room for one mutex, which nobody knows of yet.
    let result = unsafe pthread_mutex_init(mutex, nil)
    precondition(result == 0, "no memory for a mutex")
  }

  deinit {
    // Nobody has it any more: whoever locks it holds this object.
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  /// Runs `body` while nobody else can. It must not come back here: the mutex is not recursive.
  package func withLock<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure) -> Result {
    // It lives as long as this object, which lives as long as this call.
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try body(&value)
  }
}
