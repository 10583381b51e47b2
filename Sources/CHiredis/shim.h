// The Redis client library's asynchronous half.
#pragma once
#include <sys/types.h>
#include <fcntl.h>
#include <hiredis/async.h>

// fcntl is variadic, which Swift does not import. hiredis opens its sockets without SOCK_CLOEXEC.
static inline void gh_redis_close_on_exec(int fd) { (void)fcntl(fd, F_SETFD, FD_CLOEXEC); }

// Gives hiredis, and each task of its parser, what it hands to callbacks. A task keeps what the reader had when the reply began, which
// may have been an earlier call.
static inline void gh_redis_point(redisAsyncContext *context, void *scope) {
  context->data = scope;
  context->ev.data = scope;
  redisReader *reader = context->c.reader;
  if (reader == NULL) return;
  reader->privdata = scope;
  for (size_t index = 0; index < sizeof(reader->rstack) / sizeof(reader->rstack[0]); index++) reader->rstack[index].privdata = scope;
}
