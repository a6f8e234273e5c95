#!/usr/bin/env bash
# Train the sample model on the sample scene: run in the project's root, with geoseg installed.
set -euo pipefail
tiles=$(mktemp -d)/tiles
trap 'rm -rf "${tiles%/tiles}"' EXIT
geoseg tile sample_data/parana.tif --labels sample_data/parana_labels.gpkg --class-field name \
    --legend sample_data/legend.csv --nodata 0 --stride 32 --min-valid 0.005 --val 0 --out "$tiles"
geoseg train "$tiles" --out sample_data/parana.safetensors --overwrite --width 8 --depth 3 \
    --epochs 60 --optimizer adam --lr 3e-3 --schedule cosine --loss weighted --augment flips
rm sample_data/parana.history.csv sample_data/parana.safetensors.checkpoint
