#!/usr/bin/env bash
# Trains with and without deep supervision, three seeds each, and scores every run on the patients held
# aside. What was done before is passed over or gone on with.
#
#   training/ablation/run.sh DATASET OUT [EPOCHS]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dataset=$1
out=$2
epochs=${3:-24}
haema=${HAEMA:-haema}
aside=$(paste -sd, "$here/../built-in-model/held-aside.txt")
# Every ninth of the others, in order of the size of the bleed: for the curve alone, nothing is steered.
validation=${VALIDATION:-$(paste -sd, "$here/validation.txt")}
mkdir -p "$out"

for seed in 1 2 3; do
  for arm in sum none; do
    run="$out/$arm-$seed"
    settings="$out/$arm.toml"
    sed "s/^deep_supervision = .*/deep_supervision = \"$arm\"/" "$here/settings.toml" > "$settings"
    "$haema" train "$dataset" --out "$run" --config "$settings" --seed "$seed" --epochs "$epochs" \
      --validation "$validation" --hold-aside "$aside" --threads 1
    "$haema" eval "$dataset" --model "$run/model.safetensors" --held-aside-by "$run" \
      --out "$run/scores" --threads 1 > /dev/null
  done
done

python3 "$here/show.py" "$out"
