#!/usr/bin/env bash
# Writes the missing fuzz targets: one per `pub fn fuzz_*` in a crate's `fuzzing` module. With --check, it only names
# them and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=0
for module in crates/*/*/src/fuzzing.rs; do
    package=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$(dirname "$module")/../Cargo.toml" | head -n 1)
    crate=${package//-/_}
    short=${crate#plenum_}
    for entry in $(sed -n 's/^pub fn fuzz_\([a-z0-9_]*\).*/\1/p' "$module"); do
        name=$entry
        [[ $entry == "$short"* ]] || name=${short}_$entry
        target=fuzz/src/bin/$name.rs
        if [[ -f $target ]]; then continue; fi
        if [[ ${1:-} == --check ]]; then
            echo "$module: fuzz_$entry has no target; scripts/fuzz-targets.sh writes it" >&2
            missing=1
            continue
        fi
        mkdir -p fuzz/src/bin
        printf '%s\n' \
            "//! Fuzz target: see the function." \
            "#![no_main]" \
            "" \
            "use $crate::fuzzing::fuzz_$entry;" \
            "" \
            "libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_$entry(data));" >"$target"
        grep -q "^$package = " fuzz/Cargo.toml || echo "add $package to fuzz/Cargo.toml" >&2
    done
done
exit "$missing"
