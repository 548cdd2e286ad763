#!/usr/bin/env bash
# Runs every benchmark that judges a figure by wall clock or processor time, and writes what they print into
# docs/perf/DATE.md. On a calm machine: what else runs is seen in the figures.
set -euo pipefail
cd "$(dirname "$0")/.."

bins=(bench-forward bench-scale bench-meeting bench-worker bench-control bench-joins bench-client)
# All at once: built one by one, what they share would be built again with each one's features.
cargo build --locked --release --package plenum-bench --package plenum-worker --package plenum --bins

page=docs/perf/$(date -u +%F).md
release=target/release
[[ -z $(git status --porcelain --untracked-files=no) ]] && state= || state=' with changes that are not committed'
{
    echo "# Figures of $(date -u +%F)"
    echo
    echo "Written by \`make bench\`: commit $(git rev-parse --short HEAD)$state, $(rustc --version),"
    echo "$(uname -sr), load before it $(cut -d' ' -f1-3 /proc/loadavg). What each row has to reach: DESIGN §10."
} >"$page.new"

run() {
    local title=$1
    shift
    echo "== $title"
    local begin=$SECONDS
    "$@" | tee target/bench.out
    {
        printf '\n## %s\n\n`%s`, %d s\n\n```text\n' "$title" "${*#"$release"/}" $((SECONDS - begin))
        grep -v '^written to\|^$' target/bench.out
        echo '```'
    } >>"$page.new"
}

run 'Forwarding, beside bare loops' $release/bench-forward
run 'By the number of subscribers' $release/bench-scale
run 'A meeting of 25' $release/bench-meeting
run 'A worker on loopback' $release/bench-worker
if [[ $(id -u) == 0 ]]; then
    run 'A worker and people on two machines, without segmentation offload' $release/bench-worker veth
    run 'Forwarding over two machines, without segmentation offload' $release/bench-forward veth GCM
else
    echo 'left out: two machines, which only root can make'
fi
run 'Control operations and memory' $release/bench-control
run 'Joining' $release/bench-joins
run 'A native client, on our own parts and on str0m' $release/bench-client
mv "$page.new" "$page"
echo "written to $page"
