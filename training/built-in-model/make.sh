#!/usr/bin/env bash
# Makes the built-in model from nothing: three runs, each from the end of the one before. About three
# hours on two cores that do nothing else. Stopped, it goes on where it was: call it again.
#
#   training/built-in-model/make.sh CT-ICH LABEL-MAPS WORK
#
# CT-ICH is the unpacked release 1.0.0 (its development patients), LABEL-MAPS a folder of head label
# maps, WORK a folder for the runs and the scores. The model is WORK/3-everyone/model.safetensors; the
# scores, of patients that runs 1 and 2 never saw, are in WORK/scores.
set -euo pipefail
if [ $# != 3 ]; then
    sed -n '5,8s/^# *//p' "${BASH_SOURCE[0]}" >&2
    exit 2
fi
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
release=$1 label_maps=$2 work=$3
aside=$(paste -sd, "$recipe/held-aside.txt")

cargo build --release --manifest-path "$recipe/../../Cargo.toml" -p haema-cli
haema=${CARGO_TARGET_DIR:-$recipe/../../target}/release/haema
mkdir -p "$work"
if [ ! -e "$work/dataset/dataset.json" ]; then
    "$haema" import ct-ich "$release" "$work/dataset"
fi

run() { # NAME, then further arguments of haema train
    name=$1
    shift
    if [ -e "$work/$name/model.safetensors" ]; then return; fi
    echo "== $name"
    "$haema" train "$work/dataset" --out "$work/$name" --config "$recipe/$name.toml" "$@"
}
run 1-painted --hold-aside "$aside"
run 2-simulated --hold-aside "$aside" --init "$work/1-painted/model.safetensors" --anatomy "$label_maps"
run 3-everyone --init "$work/2-simulated/model.safetensors" --anatomy "$label_maps"

"$haema" eval "$work/dataset" --model "$work/2-simulated/model.safetensors" \
    --held-aside-by "$work/2-simulated" --out "$work/scores"
cat "$work/scores/summary.md"
