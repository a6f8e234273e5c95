#!/usr/bin/env bash
# Make the bundled models, `default` and `lab`. DUBAI_FOLDER holds "Tile N/images" and "Tile N/masks"
# ("Semantic segmentation of aerial imagery", Humans in the Loop with MBRSC, CC0).
set -euo pipefail
dubai=${1:?usage: make_models.sh DUBAI_FOLDER WORK_FOLDER [OUT_FOLDER]}
work=${2:?usage: make_models.sh DUBAI_FOLDER WORK_FOLDER [OUT_FOLDER]}
out=${3:-.}
here=$(dirname "$0")
python "$here/dubai.py" "$dubai" "$work/dubai" --epochs 10 --precision bf16 --only default
python "$here/../lab/lab.py" "$dubai" "$work/lab" --long 100 --more 6 --precision bf16 --only long all
python - "$work/dubai/default.safetensors" "$work/lab/all.safetensors" "$out" <<'PYTHON'
import sys
from dataclasses import replace
from pathlib import Path

import geoseg
from geoseg.legend import DUBAI

*sources, out = map(Path, sys.argv[1:])
for source, name in zip(sources, ("default", "lab"), strict=True):
    model = geoseg.Model.load(source)
    # The images have no pixel size. geoseg/models/README.md says how it was estimated.
    legend = DUBAI.subset(model.legend.values)
    model = replace(model, legend=legend, pixel_size_range=(0.7, 1.1))
    model.save(out / f"{name}.safetensors", half=True)
PYTHON
