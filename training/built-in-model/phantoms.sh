#!/usr/bin/env bash
# Scores a model on simulated heads whose masks are exact: the Dice and the volume error that it reaches where
# no reader's hand stands between. Heads that the model learned from shall not be among them: its simulated
# training heads have other seeds, and ANATOMY may name other label maps.
#
#   training/built-in-model/phantoms.sh OUT [MODEL] [CASES]
set -euo pipefail

out=$1
model=${2:-}
cases=${3:-40}
haema=${HAEMA:-haema}

"$haema" simulate --out "$out/heads" --cases "$cases" --seed 20261123 --blank 0.25 \
  ${ANATOMY:+--anatomy "$ANATOMY"}
"$haema" eval "$out/heads" --out "$out/scores" ${model:+--model "$model"}
