#!/bin/sh
# Make an environment with Keras and run keras_lab.py: keras_lab.sh TILES [--epochs N] [--rounds N]
# KERAS_ENV is the folder of the environment, which is kept; without it, a temporary folder is used.
# PYTHON is the interpreter that has geoseg.
set -eu
: "${PYTHON:=python}"
if [ -z "${KERAS_ENV:-}" ]; then
  KERAS_ENV=$(mktemp -d)
  trap 'rm -rf "$KERAS_ENV"' EXIT
fi
if [ ! -x "$KERAS_ENV/bin/python" ]; then
  "$PYTHON" -m venv "$KERAS_ENV"
fi
"$KERAS_ENV/bin/python" -m pip install --quiet --disable-pip-version-check \
  keras==3.15.1 tensorflow-cpu==2.21.0
"$PYTHON" "$(dirname "$0")/keras_lab.py" "$@" --keras "$KERAS_ENV/bin/python"
