#!/bin/bash
# tls.sh FOLDER: certificates and Dask's configuration for encrypted, closed clusters.
# Then, wherever scheduler, workers and geoseg run, and with --protocol tls:
#   export DASK_CONFIG=FOLDER/dask.yaml
# Whoever has the key may run code on the cluster: the folder is readable for you alone.
set -eu
umask 077
mkdir -p "$1"; folder=$(cd "$1" && pwd)
openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj "/CN=geoseg" \
  -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2> "$folder/openssl.log" || { cat "$folder/openssl.log" >&2; exit 1; }
one="{cert: $folder/certificate.pem, key: $folder/key.pem}"
cat > "$folder/dask.yaml" <<YAML
distributed:
  comm:
    require-encryption: true
    tls:
      ca-file: $folder/certificate.pem
      scheduler: $one
      worker: $one
      client: $one
YAML
