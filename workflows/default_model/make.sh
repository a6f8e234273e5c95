#!/usr/bin/env bash
# Make the bundled model. DUBAI_FOLDER holds "Tile N/images" and "Tile N/masks" ("Semantic
# segmentation of aerial imagery", Humans in the Loop with MBRSC, CC0).
set -euo pipefail
dubai=${1:?usage: make.sh DUBAI_FOLDER WORK_FOLDER [OUT.safetensors]}
work=${2:?usage: make.sh DUBAI_FOLDER WORK_FOLDER [OUT.safetensors]}
out=${3:-default.safetensors}
here=$(dirname "$0")
python "$here/../lab/lab.py" "$dubai" "$work" --long 100 --more 6 --precision bf16 --only long all
python - "$work/all.safetensors" "$out" <<'PYTHON'
import sys
from dataclasses import replace

import geoseg
from geoseg.legend import DUBAI

# The images have no pixel size. geoseg/models/README.md says how it was estimated.
model = replace(geoseg.Model.load(sys.argv[1]), legend=DUBAI, pixel_size_range=(0.7, 1.1))
model.save(sys.argv[2], half=True)
PYTHON
