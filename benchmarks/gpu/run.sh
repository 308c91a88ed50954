#!/usr/bin/env bash
# Runs the GPU's tests on whatever adapter there is, in software too, then prints how far it is from
# the CPU and how long it takes. Installs nothing; says what is missing.
#
#   benchmarks/gpu/run.sh [SCAN [Z,Y,X]]     default a simulated head on the model's own grid
#
# A grid of 16,64,64 is small enough for Vulkan in software. FEATURES=cuda takes another backend,
# PROFILE=--release an optimised build.
set -euo pipefail
if [ -e "${1:-}" ]; then set -- "$(realpath "$1")" "${@:2}"; fi
cd "$(dirname "${BASH_SOURCE[0]}")/../../gpu"
features=${FEATURES:-wgpu}
read -ra profile <<<"${PROFILE:-}"

if ! command -v cargo >/dev/null; then
    echo "error: cargo is missing" >&2
    echo "hint: install Rust from https://rustup.rs" >&2
    exit 2
fi
echo "== building haema-gpu with $features; the first time takes minutes"
SECONDS=0
cargo test "${profile[@]}" --features "$features" --no-run
echo "== built in $SECONDS s"

if ! cargo test --quiet "${profile[@]}" --features "$features" --test it -- --ignored --exact an_adapter_is_here --nocapture; then
    echo "error: no adapter was found" >&2
    echo "hint: install the graphics card's driver, or software Vulkan:" >&2
    echo "      apt-get install mesa-vulkan-drivers" >&2
    exit 2
fi
echo "== tests"
SECONDS=0
cargo test "${profile[@]}" --features "$features" --test it -- --nocapture
echo "== passed in $SECONDS s"
cargo run --quiet "${profile[@]}" --features "$features" --example agreement -- "$@"
