// Preloaded: whoever listens waits before it goes on, so that there is time to connect to a socket that is closed right after.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

int listen(int descriptor, int backlog) {
  int (*next)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "listen");
  int result = next(descriptor, backlog);
  usleep(300 * 1000);
  return result;
}
