#!/bin/sh
# install.sh SOURCE cpu|cuda EXTRAS
# Installs geoseg into /opt/geoseg, with the versions of SOURCE/requirements.lock. Containerfile and
# apptainer.def run this, so that both images have the same content.
set -eu
source=$1 device=$2 extras=$3

install() { /opt/geoseg/bin/pip install --no-cache-dir --constraint "$source/requirements.lock" "$@"; }

case $device in
  cpu | cuda) python3 -m venv /opt/geoseg ;;
  *) echo "install.sh: the device must be cpu or cuda, not '$device'" >&2; exit 2 ;;
esac
if [ "$device" = cpu ]; then
  # The default build of torch brings gigabytes of CUDA libraries.
  install --no-deps --index-url https://download.pytorch.org/whl/cpu torch
fi
install "$source${extras:+[$extras]}"
/opt/geoseg/bin/pip check
