#!/bin/sh
# Makes the pocket model again from its texts, on a CPU. Every step goes on where it was stopped.
#
#   models/pocket/train.sh DATA WORK
#
# DATA holds corpus/ and topics/ as MODEL_CARD.md lists them; WORK receives everything on the way; the result replaces
# the files beside this script. LAYERSTEER is the command to run, by default the one built in this repository.
set -eu
data=$1
work=$2
here=$(cd "$(dirname "$0")" && pwd)
layersteer=${LAYERSTEER:-dotnet "$here/../../artifacts/bin/LayerSteer.Cli/release/LayerSteer.Cli.dll"}
mkdir -p "$work"

# The web shard is left out: its texts are not ours to pass on in any form.
texts=$(ls "$data"/corpus/train-*.txt.gz | grep -v web)
valid=$data/corpus/valid.jsonl.gz

# How often a source is drawn from, beside its size: less of the novels and of the templated dialogues, more of what is
# small and a topic of its own.
mix="--weight fiction=0.5 --weight dialogues=0.4 --weight wikipedia-leads=2 --weight simplewiki=2 --weight medical=1.5
  --weight trivia=0.4 --weight factbook=0.4 --weight math=0.4 --weight recipes=6 --weight legal=6"

test -f "$work/tokenizer/tokenizer.json" || $layersteer tokenizer train --vocab 6144 --out "$work/tokenizer" --texts $texts

test -f "$work/model/model.safetensors" || $layersteer train --tokenizer "$work/tokenizer" --out "$work/model" \
  --layers 6 --width 192 --heads 6 --context 256 --steps 5000 --batch 24 --micro-batch 8 \
  --learning-rate 0.0025 --warm-up 200 --save-dtype bf16 --texts $texts --validation "$valid" $mix
