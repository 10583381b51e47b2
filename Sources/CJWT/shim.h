// libjwt, off the request path: development tokens and the cross-check of signing keys.
#pragma once
#include <sys/types.h>
#include <jwt.h>
