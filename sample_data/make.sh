#!/usr/bin/env bash
# Train the sample model on the sample scene: run in the project's root, with geoseg[pretrained]
# installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
geoseg tile sample_data/parana.tif --labels sample_data/parana_labels.gpkg --class-field name \
    --legend sample_data/legend.csv --nodata 0 --size 64 --val 0 --out "$work/tiles"
geoseg train "$work/tiles" --out "$work/parana.safetensors" --window 64 --epochs 16
python - "$work/parana.safetensors" <<'PYTHON'
import sys

import geoseg

geoseg.Model.load(sys.argv[1]).save("sample_data/parana.safetensors", half=True)
PYTHON
