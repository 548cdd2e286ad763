#!/usr/bin/env bash
# Writes docs/cluster/promises.md: what was measured when parts of a cluster died, from the list that the tests have written
# (a line for each promise: its words, its bound in ms or 0, and what each round took).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly LIST=$1
readonly PAGE=docs/cluster/promises.md

if [[ ! -s $LIST ]]; then
    echo "promises: the tests have written nothing to $LIST" >&2
    exit 1
fi

machine() {
    local cpu memory
    cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
    memory=$(awk '/^MemTotal:/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo)
    printf '%s, %s cores, %s GiB, Linux %s' "${cpu:-unknown processor}" "$(nproc)" "$memory" "$(uname -r | cut -d. -f1,2)"
}

table() {
    # Tests run beside each other, so that their order says nothing, and a run may have been made in parts.
    awk -F '\t' '{ bound[$1] = $2; took[$1] = took[$1] " " $3 }
        END { for (what in took) printf("%s\t%s\t%s\n", what, bound[what], took[what]) }' "$LIST" | sort | awk -F '\t' '
        function seconds(ms) { return sprintf("%.2f s", ms / 1000) }
        {
            count = split($3, took, " ")
            for (i = 2; i <= count; i++) {
                value = took[i] + 0
                for (j = i - 1; j > 0 && took[j] + 0 > value; j--) took[j + 1] = took[j]
                took[j + 1] = value
            }
            late = 0
            for (i = 1; i <= count; i++) if ($2 > 0 && took[i] + 0 > $2 + 0) late++
            median = took[int(count / 2) + 1]
            promised = ($2 > 0)
            bound = promised ? seconds($2) : "none"
            if (!promised) late = ""
            printf("| %s | %s | %d | %s | %s | %s |\n", $1, bound, count, seconds(median), seconds(took[count]), late)
        }'
}

{
    cat <<'END'
# What was promised, and what was measured

[What happens when what dies](../cluster.md#what-happens-when-what-dies), tried on a Redis and three or four nodes, each a process of
its own with workers of its own, with people who send sound and pictures. Where the network is cut, nodes are in network namespaces.
After every round the registry, every node's rooms and every worker's objects are compared with what the people who are there need:
nobody is left who is gone, and no producer, transport, pipe or key without use. `make promises` (and `make test-long`) writes this page.

END
    printf 'Machine: %s. Nodes and clients share it; the programs were built without optimisation. %s\n\n' "$(machine)" \
        "On average $(cut -d ' ' -f 3 /proc/loadavg) threads wanted a core in the last quarter of an hour of the run."
    cat <<'END'
| What | Promised within | Rounds | Median | Worst | Later than promised |
| --- | --- | --- | --- | --- | --- |
END
    table
    cat <<'END'

"Without sound" is the longest time between two packets of sound of one sender at one receiver, of all who were there; sound is a
packet each 20 ms. Where nothing is promised the figure is told all the same. A test fails when most of its rounds take longer than
promised, or when anything is left behind in any of them; single late rounds are the machine's, on which everything above shares the
cores.
END
} >"$PAGE.part"
mv "$PAGE.part" "$PAGE"
echo "promises: wrote $PAGE"
