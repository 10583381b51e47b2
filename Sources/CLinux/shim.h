// What `import Glibc` does not show Swift: epoll, eventfd, signalfd, and the socket macros it cannot read.
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// Declared here instead of by _GNU_SOURCE: with that macro the C types of this module differ from those that Foundation's
// Glibc module was built with, and a file that imports both does not compile.
extern int accept4(int socket, struct sockaddr *restrict address, socklen_t *restrict length, int flags);
extern int pipe2(int descriptors[2], int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);

// The EPOLL* constants are a C enum whose Swift import has another type than `epoll_event.events`.
static const uint32_t gh_EPOLLIN = EPOLLIN;
static const uint32_t gh_EPOLLOUT = EPOLLOUT;
static const uint32_t gh_EPOLLRDHUP = EPOLLRDHUP;
static const uint32_t gh_EPOLLHUP = EPOLLHUP;
static const uint32_t gh_EPOLLERR = EPOLLERR;
static const uint32_t gh_EPOLLET = EPOLLET;

// `epoll_event` is packed and its `data` a union: both are clumsy from Swift.
static inline int gh_epoll_ctl(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event;
  event.events = events;
  event.data.u64 = token;
  return epoll_ctl(epoll, operation, fd, &event);
}
static inline uint64_t gh_epoll_token(const struct epoll_event *event) { return event->data.u64; }
static inline uint32_t gh_epoll_events(const struct epoll_event *event) { return event->events; }

// SOCK_* flags are an enum in glibc, so `|` does not type-check in Swift.
static const int gh_SOCK_STREAM = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
static const int gh_SOCK_ACCEPT = SOCK_NONBLOCK | SOCK_CLOEXEC;
// `ioctl` is variadic, which Swift does not import. TIOCOUTQ is what Linux says SIOCOUTQ for: bytes that the peer has not acknowledged.
static inline int gh_unacknowledged(int socket) {
  int count = 0;
  return ioctl(socket, TIOCOUTQ, &count) == 0 && count > 0 ? count : 0;
}
// The peer gets RST when the socket is closed, and what it has not taken is forgotten.
static inline void gh_reset_on_close(int socket) {
  struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  (void)setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}
static inline int gh_errno(void) { return errno; }
static inline void gh_set_errno(int value) { errno = value; }

// `_exit` paths and `environ` are hidden by Swift's overlay on some toolchains.
extern char **environ;
static inline char **gh_environ(void) { return environ; }

// fcntl is variadic, which Swift does not import.
static inline int gh_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 0); }

// Cores this process may run on, at least 1. glibc's wrapper and CPU_COUNT are hidden from module builds.
#include <sys/syscall.h>
static inline int gh_available_processors(void) {
  unsigned long mask[128] = {0};
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  int count = 0;
  for (long i = 0; i < bytes / (long)sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
  return count > 0 ? count : 1;
}

// open is variadic, which Swift does not import. Non-blocking, for a path that is a FIFO: opening it fails when nobody reads.
static inline int gh_open_append(const char *path) {
  return open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0640);
}
static inline int gh_duplicate_over(int from, int to) { return dup3(from, to, O_CLOEXEC); }

// RLIMIT_* are an enum whose Swift import is not what getrlimit takes. Raises the soft limit of descriptors to the hard one.
static inline void gh_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

// A pipe or terminal opened anew gets flags of its own: setting O_NONBLOCK on a shared description would set it for
// whoever gave it to us as well. Negative when `fd` is something else (a file, a socket).
static inline int gh_reopen_nonblocking(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !(S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))) return -1;
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}
// Whether a write finds room, or fails, within so many milliseconds; -1 waits for as long as it takes.
static inline int gh_is_writable(int fd, int milliseconds) {
  struct pollfd one = {.fd = fd, .events = POLLOUT};
  return poll(&one, 1, milliseconds) == 1;
}
static inline int gh_is_regular_file(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

// Lets the kernel drop clean pages of a file mapping.
#include <sys/mman.h>
static inline void gh_forget_pages(unsigned long start, unsigned long size) {
  (void)madvise((void *)start, size, MADV_DONTNEED);
}

// Has the calling thread give way every so often to whoever else wants its processor, until `gh_stop_yielding`, or for so many
// seconds. For long computations beside a thread that serves: the kernel by itself lets each of two have the processor for a tick,
// 4 ms. The seconds bound what neighbours can do who always want it: beside eight of them 0.2 ms at a time is next to nothing.
//
// By a signal to this thread, since libraries that compute long have no place to put a call. SIGURG: whoever does not handle it
// ignores it. False when there is no timer to be had, and nothing has changed.
static inline void gh_yield_now(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  int kept = errno;
  struct timespec now;
  // The second in which it ends comes with the signal.
  if (info->si_code == SI_TIMER && clock_gettime(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec < info->si_value.sival_int) sched_yield();
  errno = kept;
}
static inline int gh_yield_often(long microseconds, int seconds, timer_t *timer) {
  struct sigaction action = {.sa_sigaction = gh_yield_now, .sa_flags = SA_RESTART | SA_SIGINFO};
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0 || sigaction(SIGURG, &action, NULL) != 0) return 0;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG};
  event.sigev_value.sival_int = (int)now.tv_sec + seconds;
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0) return 0;
  struct timespec period = {microseconds / 1000000, microseconds % 1000000 * 1000};
  struct itimerspec times = {period, period};
  if (timer_settime(*timer, 0, &times, NULL) == 0) return 1;
  timer_delete(*timer);
  return 0;
}
static inline void gh_stop_yielding(timer_t timer) { timer_delete(timer); }
