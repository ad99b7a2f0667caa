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

test -f "$work/tokenizer/tokenizer.json" || $layersteer tokenizer train --vocab 6144 --max-length 256 --out "$work/tokenizer" --texts $texts

test -f "$work/model/model.safetensors" || $layersteer train --tokenizer "$work/tokenizer" --out "$work/model" \
  --layers 6 --width 192 --heads 6 --context 256 --steps 5000 --batch 24 --micro-batch 8 \
  --learning-rate 0.0025 --warm-up 200 --save-dtype bf16 --texts $texts --validation "$valid" $mix

test -f "$work/encoder/modules.json" || $layersteer encoder train --tokenizer "$work/tokenizer" --out "$work/encoder" \
  --dim 192 --steps 2500 --batch 512 --save-dtype bf16 --texts $texts

hooks=blocks.2.hook_resid_post,blocks.3.hook_resid_post,blocks.4.hook_resid_post
test -f "$work/sae/blocks.4.hook_resid_post.safetensors" || $layersteer sae train --model "$work/model" --hook $hooks \
  --latents 3072 --k 32 --tokens 4000000 --save-dtype bf16 --model-name pocket --out "$work/sae" \
  --texts $texts --eval-texts "$valid"

# From here on paths are relative, since manifests and profiles record them.
cd "$work"
test -f references.jsonl || $layersteer dataset references --texts $texts --count 1000 --characters 250 --out references.jsonl
$layersteer index --model model --sae sae/blocks.3.hook_resid_post.safetensors --layer 3 --encoder encoder \
  --reference references.jsonl --out index

mkdir -p align topics finetuned
names=
for file in "$data"/topics/*.jsonl; do
  name=$(basename "$file" .jsonl)
  # Customers wrote these reviews for a shop; what is made from them is not ours to pass on.
  test "$name" = product_reviews && continue
  names="$names $name"
  # What a topic is steered by, and what its adapter is trained on: the 20 texts of its split align.
  grep '"split": "align",' "$file" > "align/$name.jsonl"
  test -f "topics/$name.json" || $layersteer topic --index index --encoder encoder --model model \
    --sae sae/blocks.3.hook_resid_post.safetensors --align "align/$name.jsonl" --out "topics/$name.json"
  test -f "finetuned/$name/adapter_model.safetensors" || $layersteer finetune --model model --texts "align/$name.jsonl" \
    --lora 8 --steps 60 --batch 4 --micro-batch 4 --learning-rate 0.002 --warm-up 6 --weight-decay 0 --save-dtype bf16 \
    --out "finetuned/$name"
done

# What is shipped: no texts, no states of training.
for part in model encoder sae index topics finetuned; do rm -rf "${here:?}/$part"; mkdir "$here/$part"; done
cp model/config.json model/model.safetensors model/tokenizer.json model/tokenizer_config.json model/vocab.json \
  model/merges.txt model/losses.csv "$here/model"
(cd encoder && tar cf - --exclude training.safetensors .) | tar xf - -C "$here/encoder"
cp sae/*.safetensors sae/training.csv sae/training.svg "$here/sae"
rm "$here/sae/training.safetensors"
cp -r index/. "$here/index"
cp topics/*.json "$here/topics"
for name in $names; do
  mkdir "$here/finetuned/$name"
  cp "finetuned/$name/adapter_config.json" "finetuned/$name/adapter_model.safetensors" "$here/finetuned/$name"
done

{
  gzip -dc "$data/corpus/ATTRIBUTION.tsv.gz" | grep -v '^web'
  grep -h '"split": "align",' "$data"/topics/animals.jsonl "$data"/topics/music.jsonl "$data"/topics/sports.jsonl |
    sed -E 's/.*"topic": "([^"]*)".*"source": "([^"]*)".*/topic \1\t\2\tEnglish Wikipedia/'
} > "$here/ATTRIBUTION.tsv"

{
  printf '{\n  "format_version": 1,\n  "model": "model",\n  "encoder": "encoder",\n  "index": "index",\n  "saes": [\n'
  printf '    { "path": "sae/%s.safetensors", "hook": "%s" },\n' \
    blocks.2.hook_resid_post blocks.2.hook_resid_post blocks.3.hook_resid_post blocks.3.hook_resid_post
  printf '    { "path": "sae/%s.safetensors", "hook": "%s" }\n' blocks.4.hook_resid_post blocks.4.hook_resid_post
  printf '  ],\n  "default_sae": "blocks.3.hook_resid_post",\n  "topics": [\n'
  first=1
  for name in $names; do
    test $first = 1 || printf ',\n'
    first=0
    printf '    { "name": "%s", "profile": "topics/%s.json", "adapter": "finetuned/%s" }' "$name" "$name" "$name"
  done
  printf '\n  ],\n  "demo": { "topic": "medical", "method": "min-clamp", "strength": 0.4, "temperature": 0.8, "top_p": 0.95, "tokens": 60 }\n}\n'
} > "$here/pocket.json"
du -sh "$here"
