#!/usr/bin/env bash
# Where, how much, and has it grown: haema's answers against simulated truth. See docs/answers.
#
#   benchmarks/answers/run.sh [--pairs N] [--maps DIR] [--seed N] [--model FILE]
#
# Simulates N pairs of scans (24) of built-in heads, and as many of the label maps in DIR where that is given;
# compares each pair three times: with the true masks, with those that one simulated rater drew, and with those
# of the method; prints the tables. What is done stays in target/answers/<seed>, and a run that was stopped goes on. HAEMA=/path/to/haema takes a program that is
# built already.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

pairs=24 maps='' seed=71 model=()
while [ $# -gt 0 ]; do
    case $1 in
        --pairs) pairs=$2 ;;
        --maps) maps=$2 ;;
        --seed) seed=$2 ;;
        --model) model=(--model "$2") ;;
        *) echo "unknown: $1; wanted --pairs N, --maps DIR, --seed N or --model FILE" >&2; exit 2 ;;
    esac
    shift 2
done
haema=${HAEMA:-target/release/haema}
[ -n "${HAEMA:-}" ] || cargo build --release --package haema-cli
work=target/answers/$seed

make() { # SET, then what haema simulate takes
    local set=$1
    shift
    "$haema" simulate --cases "$pairs" --seed "$seed" --followup --blank 0.2 --raters 1 --matrix 256 \
        --out "$work/$set" "$@"
}
make builtin
[ -z "$maps" ] || make labelmaps --anatomy "$maps"

for set in builtin labelmaps; do
    [ -d "$work/$set/cases" ] || continue
    for record in "$work/$set"/cases/*-t0.json; do
        id=$(basename "$record" -t0.json)
        # NIfTI holds one distance between slices: those of two thicknesses would be read wrongly.
        for visit in t0 t1; do
            [ ! -e "$work/$set/slice_positions/$id-$visit.json" ] || continue 2
        done
        image() { echo "$work/$set/imagesTr/$id-$1_0000.nii.gz"; }
        for masks in true rater found; do
            out="$work/results/$masks/$set/$id"
            [ ! -e "$out/compare.json" ] && [ ! -e "$out/refused.txt" ] || continue
            labels=$work/$set/labelsTr options=("${model[@]}")
            [ $masks != rater ] || labels=$work/$set/ratersTr/simulated-1
            [ $masks = found ] ||
                options=(--baseline-mask "$labels/$id-t0.nii.gz" --followup-mask "$labels/$id-t1.nii.gz")
            mkdir -p "$out"
            "$haema" compare "$(image t0)" "$(image t1)" --out "$out" "${options[@]}" >"$out/said.txt" 2>&1 ||
                mv "$out/said.txt" "$out/refused.txt"
        done
    done
done
python3 "$here/score.py" "$work"
