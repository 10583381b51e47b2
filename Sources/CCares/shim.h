// The resolver library, and what says which kinds of addresses this host has.
#pragma once
#include <ares.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

// An enum in glibc, whose Swift import has another type than the hints' member.
static const int gh_stream = SOCK_STREAM;
