#!/usr/bin/env bash
# Train the bundled model. DUBAI_FOLDER holds "Tile N/images" and "Tile N/masks" ("Semantic
# segmentation of aerial imagery", Humans in the Loop with MBRSC, CC0).
set -euo pipefail
dubai=${1:?usage: make.sh DUBAI_FOLDER [OUT.safetensors]}
out=${2:-default.safetensors}
geoseg tile "$dubai" --out dubai-tiles --split scene --val 0.13 --seed 1
geoseg train dubai-tiles --out "$out" --epochs 32 --optimizer adam --schedule cosine \
    --augment full --precision bf16 --resume
