#!/bin/bash
# tls.sh FOLDER: makes certificates and a Dask configuration for an encrypted cluster with access control.
# Start scheduler and workers with --protocol tls, and set this for them and for geoseg:
#   export DASK_CONFIG=FOLDER/dask.yaml
# Everybody who has the key can run code on the cluster, so only you can read the folder.
set -eu
umask 077
mkdir -p "$1"; folder=$(cd "$1" && pwd)
openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj "/CN=geoseg" \
  -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2> "$folder/openssl.log" || { cat "$folder/openssl.log" >&2; exit 1; }
pair="{cert: $folder/certificate.pem, key: $folder/key.pem}"
cat > "$folder/dask.yaml" <<YAML
distributed:
  comm:
    require-encryption: true
    tls:
      ca-file: $folder/certificate.pem
      scheduler: $pair
      worker: $pair
      client: $pair
YAML
