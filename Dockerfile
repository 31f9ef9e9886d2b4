# Images of Portvakt, for who has a container engine. `make image` makes the first without one.
#
#   docker build --provenance=false --platform linux/amd64 --build-arg REVISION=$(git rev-parse HEAD) .
#   docker build --target gateway --build-arg CONFIG=my-envoy.yaml .
#
# `plugin` (the default) is the module for Istio and Envoy Gateway, which want one manifest, no
# index: hence the flags. `gateway` is a whole gateway, made for Nais: Envoy, the module, envoy.yaml.
# Base images are pinned by version; pin them by digest too (`FROM …@sha256:…`) where you build.

FROM rust:1.95.0-slim-bookworm AS build
# The compiler that is in the image, not rust-toolchain.toml's newest.
ENV RUSTUP_TOOLCHAIN=1.95.0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make python3 \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add wasm32-wasip1
WORKDIR /portvakt
COPY . .
ARG REVISION=unknown
RUN PORTVAKT_REVISION="$REVISION" make image

# It needs no root, no shell and nothing to write to: `readOnlyRootFilesystem: true` is fine.
FROM envoyproxy/envoy:distroless-v1.37.0 AS gateway
COPY --from=build /portvakt/target/image/plugin.wasm /opt/portvakt/portvakt.wasm
COPY --from=build /portvakt/target/image/LICENSES.txt /opt/portvakt/LICENSES.txt
# Your own: a copy of the default, in which what is marked CHANGE is changed.
ARG CONFIG=deploy/nais/texas/envoy.yaml
COPY ${CONFIG} /etc/envoy/envoy.yaml
# Nais runs everything as this user.
USER 1069:1069
# 7164 and 7165 are Texas's, in the same pod.
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/envoy"]
# Without hot restart, which keeps files in shared memory and takes a second Envoy for a mistake.
CMD ["-c", "/etc/envoy/envoy.yaml", "--disable-hot-restart", "--log-level", "warning", "--component-log-level", "wasm:info"]

# One layer: Istio and Envoy Gateway look for the module in the last one only.
FROM scratch AS plugin
COPY --from=build /portvakt/target/image/ /
