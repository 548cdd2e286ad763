#!/usr/bin/env bash
# flamegraph.sh PID[,PID]... SECONDS FILE.svg TITLE: where the time of processes goes, in the kernel and outside, as a picture.
set -euo pipefail
(($# == 4)) || {
    sed -n '2s/^# //p' "$0" >&2
    exit 2
}
pids=$1 seconds=$2 file=$3 title=$4
for tool in perf inferno-collapse-perf inferno-flamegraph; do
    command -v $tool >/dev/null || {
        echo "$tool is missing: apt-get install linux-perf; cargo install inferno" >&2
        exit 1
    }
done
data=$(mktemp)
trap 'rm -f "$data"' EXIT
# By the clock: counters of cycles are not to be had in many virtual machines.
perf record --quiet -e cpu-clock -F 799 --call-graph dwarf,12288 -p "$pids" -o "$data" -- sleep "$seconds"
# What is narrower than a hundredth is left out, so that the picture stays small.
perf script -i "$data" 2>/dev/null | inferno-collapse-perf | inferno-flamegraph --title "$title" --minwidth 0.8 >"$file"
echo "written to $file"
