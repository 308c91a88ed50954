#!/usr/bin/env bash
# haema beside other engines: the same network, weights, inputs and cores, in turn.
#
#   benchmarks/peers/run.sh [--rounds N] [--engines a,b] [--scans FILE...] ...    (--help of compare.py)
#   benchmarks/peers/run.sh --training [--rounds N] [--steps N] ...               (--help of training_step.py)
#
# Builds haema, makes a Python environment in target/peers, and writes target/peers/results.md and .json.
# PyTorch's package brings 5 GB of CUDA libraries that are not used here; with PEERS_PYTHON=/path/to/python
# an environment of yours with the packages of requirements.txt is taken instead.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

what=compare
if [ "${1:-}" = --training ]; then
    what=training
    shift
fi
cargo build --release --package haema-cli
python=${PEERS_PYTHON:-}
if [ -z "$python" ]; then
    python=target/peers/venv/bin/python
    if [ ! -x "$python" ]; then
        mkdir -p target/peers
        python3 -m venv target/peers/venv
    fi
    "$python" -m pip install --quiet --requirement "$here/requirements.txt"
fi
if [ "$what" = training ]; then
    exec "$python" "$here/training_step.py" "$@"
fi
exec "$python" "$here/compare.py" --haema target/release/haema --work target/peers "$@"
