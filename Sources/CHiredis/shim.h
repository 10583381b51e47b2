// The Redis client library's asynchronous half.
#pragma once
#include <sys/types.h>
#include <fcntl.h>
#include <hiredis/async.h>

// fcntl is variadic, which Swift does not import. hiredis opens its sockets without SOCK_CLOEXEC.
static inline void gh_redis_close_on_exec(int fd) { (void)fcntl(fd, F_SETFD, FD_CLOEXEC); }
