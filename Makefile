# Every target first installs what it needs and is missing (Debian and Ubuntu; elsewhere it says what to install).
# Swift 6.3 itself comes from https://www.swift.org/install.

.DEFAULT_GOAL := help
.PHONY: demo build test sanitize bench format help

# Seconds for which each fuzz target runs in `make test`.
FUZZ_SECONDS ?= 30
# Passed on to the command: `make demo ARGS="--port 9443"`.
ARGS ?=

# Static: the runtime image needs no Swift, and a third of the memory at rest goes away.
# Exclusivity checks stay on in debug builds, tests and sanitizer runs. In a release they cost 17,800 of the 73,600 instructions
# of a warm request (callgrind), because accesses nest deeply on the request path.
RELEASE = --static-swift-stdlib -Xswiftc -enforce-exclusivity=unchecked

help:                   ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build             ## build, then run everything in one process and print a curl line that works
	@.build/release/gatehouse demo $(ARGS)

build:                  ## the release binary, at .build/release/gatehouse
	@Tests/install build
	swift build -c release --product gatehouse $(RELEASE)

test:                   ## unit and end-to-end tests, guards, fuzz and sanitizers; ends with a line of totals
	@Tests/install build test
	@FUZZ_SECONDS=$(FUZZ_SECONDS) Tests/all

sanitize:               ## every end-to-end test with the address sanitizer, unit tests with it and the thread sanitizer
	@Tests/install build test
	@PHASES=sanitizers SANITIZE=all Tests/all

bench: build            ## CPU and memory beside nginx, nghttpx and HAProxy, with a picture
	@Tests/install bench
	@Tests/Benchmarks/run $(ARGS)

format:                 ## lay out the Swift sources as .swift-format says
	swift format format --in-place --parallel --recursive Package.swift Sources Tests Examples/SwiftBackend
