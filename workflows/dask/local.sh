#!/bin/bash
# local.sh WORKERS SCENE --out MAP [options of geoseg classify]
# Starts a scheduler and WORKERS workers on this machine, one thread each. PROTOCOL=tls: see tls.sh.
set -u
workers=$1; shift
folder=$(mktemp -d) && file=$folder/scheduler.json
connection=(--scheduler-file "$file" --host 127.0.0.1 --protocol "${PROTOCOL:-tcp}" --dashboard-address 127.0.0.1:0)

# Less monitoring by Dask, which otherwise takes 2 to 4 % of the core of a worker.
export DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL=1s DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL=5s
export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False

dask scheduler "${connection[@]}" --port 0 2> "$folder/scheduler.log" & scheduler=$!
for number in $(seq "$workers"); do
  dask worker "${connection[@]}" --nthreads 1 --local-directory "$folder" 2> "$folder/worker-$number.log" &
done
workers=$(jobs -p | grep -vx $scheduler)
geoseg classify "$@" --scheduler "$file" & client=$!

# A signal may reach only this shell: forward it. geoseg ends first, then the cluster.
trap 'kill -TERM $client 2>/dev/null' TERM INT HUP
while kill -0 $client 2>/dev/null; do wait $client; done
wait $client; code=$?

kill $workers 2>/dev/null; sleep 1; kill $scheduler 2>/dev/null; wait
rm -r "$folder"
exit $code
