#!/bin/bash
# submit.sh SHARDS SCENE --out MAP [options of geoseg classify]
# Submits an array of shards, and a job that assembles the map. Run it again after a failure: finished chunks stay.
# Set account and partition by the variables of sbatch: SBATCH_ACCOUNT, SBATCH_PARTITION.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export SHARDS=$1; shift
array=$(sbatch --parsable --array="1-$SHARDS" "$here/classify_array.sbatch" "$@")
array=${array%%;*}  # in a federation the name of the cluster follows
map=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes \
  "$here/assemble.sbatch" "$@")
echo "$array ${map%%;*}"
