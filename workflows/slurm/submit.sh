#!/bin/bash
# submit.sh SHARDS SCENE --out MAP [options of geoseg classify]
# An array of shares, then the map. Run it again after any failure: what is done stays.
# Account, partition and the like come from sbatch's variables: SBATCH_ACCOUNT, SBATCH_PARTITION.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export SHARDS=$1; shift
array=$(sbatch --parsable --array="1-$SHARDS" "$here/classify_array.sbatch" "$@")
array=${array%%;*}  # on a federation the cluster's name follows
map=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes \
  "$here/assemble.sbatch" "$@")
echo "$array ${map%%;*}"
