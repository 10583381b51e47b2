// The JSON type that libjwt speaks.
#pragma once
#include <sys/types.h>
#include <jansson.h>
