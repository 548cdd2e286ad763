#!/usr/bin/env bash
# A Redis and three nodes on this machine, until Ctrl-C: http://localhost:3001, 3002 and 3003 are one cluster.
#
#   scripts/cluster.sh BINARY [FLAGS OF EVERY NODE]
#
# CLUSTER_PORT (3001) is the first node's port, CLUSTER_REDIS_PORT (6390) that of Redis. Media takes CLUSTER_MEDIA_PORT (20000)
# and up, CLUSTER_MEDIA_PORTS (2000) for each node.
set -euo pipefail

readonly BINARY=${1:?usage: scripts/cluster.sh BINARY [FLAGS]}
shift
readonly PORT=${CLUSTER_PORT:-3001} REDIS_PORT=${CLUSTER_REDIS_PORT:-6390}
readonly COUNT=3
readonly MEDIA_PORT=${CLUSTER_MEDIA_PORT:-20000} MEDIA_PORTS=${CLUSTER_MEDIA_PORTS:-2000}

say() { printf 'cluster: %s\n' "$*"; }

directory=$(mktemp -d)
pids=()

end() {
    trap - EXIT INT TERM
    # The nodes first: they say goodbye to each other and to clients.
    for ((index = ${#pids[@]} - 1; index >= 0; index--)); do
        kill -TERM "${pids[index]}" 2>/dev/null || true
        wait "${pids[index]}" 2>/dev/null || true
    done
    rm -rf "$directory"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Waits until something listens, or the process that should is gone.
listens() {
    local pid=$1 port=$2
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 "$pid" 2>/dev/null || { say "what was to listen on port $port has ended"; exit 1; }
        sleep 0.1
    done
}

free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || { say "port $1 is in use"; exit 1; }
}

free "$REDIS_PORT"
redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save "" --appendonly no --dir "$directory" >"$directory/redis.log" &
pids+=($!)
listens "$!" "$REDIS_PORT"

umask 077
head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$directory/secret"
for ((number = 1; number <= COUNT; number++)); do
    port=$((PORT + number - 1))
    free "$port"
    mkdir "$directory/node-$number"
    "$BINARY" serve --port "$port" \
        --set "node.id=node-$number" \
        --set "node.data_dir=$directory/node-$number" \
        --set "node.public_url=http://localhost:$port" \
        --set "node.drain_timeout_s=0" \
        --set "rtc.min_port=$((MEDIA_PORT + (number - 1) * MEDIA_PORTS))" \
        --set "rtc.ports_per_worker=$((MEDIA_PORTS / 20))" \
        --set "workers.count=1" \
        --set "cluster.redis=redis://127.0.0.1:$REDIS_PORT" \
        --set "cluster.secret_file=$directory/secret" \
        --set "cluster.listen=127.0.0.1:$((PORT + 10 + number))" \
        "$@" &
    pids+=($!)
    listens "$!" "$port"
done

say "three nodes are one cluster. Join the same room at all of them:"
for ((number = 0; number < COUNT; number++)); do say "  http://localhost:$((PORT + number))/?room=tea"; done
say "who is there: curl http://localhost:$PORT/api/v1/nodes"
say "kill one to see what happens: kill -9 ${pids[1]}"
say "Ctrl-C ends all of them"
# As long as one of the nodes runs.
for pid in "${pids[@]:1}"; do wait "$pid" || true; done
