# A slim image of the program, its model inside. Builds from the repository alone: docker build .
FROM debian:bookworm-slim AS build
# The same packages that the Makefile installs, without ffmpeg's tools, which are for tests.
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends ca-certificates curl build-essential pkg-config clang libclang-dev \
        libopencv-dev libavcodec-dev libavformat-dev libavutil-dev libswresample-dev libswscale-dev \
    && rm -rf /var/lib/apt/lists/*
RUN curl -fsSL --proto '=https' https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain 1.92.0
ENV PATH=/root/.cargo/bin:$PATH
WORKDIR /build
COPY . .
RUN cargo build --release --locked && strip target/release/vision-pipe

FROM debian:bookworm-slim
# What the program is linked to, and the certificates of TLS.
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends ca-certificates libopencv-core406 libopencv-imgproc406 \
        libavcodec59 libavformat59 libavutil57 libswresample4 libswscale6 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/vision-pipe /usr/local/bin/vision-pipe
# The one folder that it writes to; everything else can be read-only.
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/vision-pipe --shell /usr/sbin/nologin vision-pipe \
    && install -d -o vision-pipe -g vision-pipe /var/lib/vision-pipe
USER 10001:10001
WORKDIR /var/lib/vision-pipe
VOLUME /var/lib/vision-pipe
ENTRYPOINT ["vision-pipe"]
CMD ["--help"]
