// Counts calls that allocate, by their callers, while the other side of a shared file says so.
//
// Loaded with LD_PRELOAD; ALLOCATIONS names the file, which the harness has made and maps as well (`allocations.py`). Frees are not
// counted. Nothing here allocates: slots are taken from the file, and calls that find none are counted as lost.
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH = 28, SLOTS = 8192 };

/// One chain of callers on one thread. Sixty-four-bit words throughout, as Python reads them.
struct slot {
  _Atomic uint64_t hash;  // 0 while nobody has it
  _Atomic uint64_t calls;
  _Atomic uint64_t bytes;
  uint64_t thread;
  uint64_t callers[DEPTH];
};

struct shared {
  _Atomic uint64_t counting;
  _Atomic uint64_t lost;
  struct slot slots[SLOTS];
};

static struct shared *shared;
// The unwinder may allocate; those calls are not the program's.
static _Thread_local int inside __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("ALLOCATIONS");
  int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return;
  inside = 1;
  void *callers[2];
  backtrace(callers, 2);  // loads the unwinder now and not within a count
  inside = 0;
  shared = memory;
}

static __attribute__((noinline)) void count(size_t size) {
  if (!shared || inside || !atomic_load_explicit(&shared->counting, memory_order_relaxed)) return;
  inside = 1;
  void *callers[DEPTH + 2] = {0};
  backtrace(callers, DEPTH + 2);
  uint64_t thread = (uint64_t)syscall(SYS_gettid), hash = thread;
  // The first two are this function and the allocator's.
  for (int i = 2; i < DEPTH + 2; i++) hash = (hash ^ (uint64_t)callers[i]) * 0x9E3779B97F4A7C15u;
  hash |= 1;
  for (unsigned tried = 0; tried < 64; tried++) {
    struct slot *slot = &shared->slots[(hash + tried) % SLOTS];
    uint64_t owner = 0;
    if (atomic_compare_exchange_strong(&slot->hash, &owner, hash)) {
      slot->thread = thread;
      for (int i = 0; i < DEPTH; i++) slot->callers[i] = (uint64_t)callers[i + 2];
      owner = hash;
    }
    if (owner != hash) continue;
    atomic_fetch_add_explicit(&slot->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&slot->bytes, size, memory_order_relaxed);
    inside = 0;
    return;
  }
  atomic_fetch_add_explicit(&shared->lost, 1, memory_order_relaxed);
  inside = 0;
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
  count(size);
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  count(number * size);
  return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
  count(size);
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
  count(size);
  void *memory = __libc_memalign(alignment, size);
  if (!memory) return ENOMEM;
  *result = memory;
  return 0;
}
