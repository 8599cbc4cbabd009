#!/bin/sh
# Builds the fuzz targets with stable Rust and without cargo-fuzz. README.md says more.
set -eu
cd "$(dirname "$0")"
# Coverage for libFuzzer, as `cargo fuzz` asks the compiler for it, and no sanitizer.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares \
-Ccodegen-units=1"
# With a target, the flags are not for build scripts and macros, which run in the compiler.
exec cargo build --release --target x86_64-unknown-linux-gnu "$@"
