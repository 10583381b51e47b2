# Build: the Swift toolchain and the headers. Run: the binary and six libraries, as nobody in particular.

FROM swift:6.3-bookworm AS build
WORKDIR /src
# What a build needs changes seldom, so it is a layer of its own.
COPY Tests/install Tests/install
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends make \
 && Tests/install build \
 && rm -rf /var/lib/apt/lists/*
COPY Package.swift Makefile ./
COPY Sources Sources
# The manifest names the test targets, so their folders have to be there.
COPY Tests Tests
RUN make build && install -D -s .build/release/gatehouse /out/gatehouse

FROM debian:bookworm-slim
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libc-ares2 libhiredis0.14 libjansson4 libjwt0 libnghttp2-14 libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 65532 gatehouse \
 && useradd --system --uid 65532 --gid gatehouse --home-dir /etc/gatehouse --shell /usr/sbin/nologin gatehouse \
 && install -d -o gatehouse -g gatehouse -m 0750 /etc/gatehouse/Certs
COPY --from=build /out/gatehouse /usr/local/bin/gatehouse
COPY Routes /etc/gatehouse/Routes
WORKDIR /etc/gatehouse
# A port that is published reaches the container's addresses, not its loopback interface. The admin listener has no authentication, so it
# stays there unless ADMIN_ADDRESS says otherwise. Mounted keys have to be readable by uid 65532.
ENV EDGE_ADDRESS=0.0.0.0:8443
USER gatehouse
EXPOSE 8443
STOPSIGNAL SIGTERM
ENTRYPOINT ["gatehouse"]
CMD ["run", "--config", "/etc/gatehouse/Routes"]
