#!/usr/bin/env bash
# bench-compare.sh REF BENCH ROUNDS [ARGS]...: runs a benchmark as it is here and as it was at REF, in turn.
set -euo pipefail
cd "$(dirname "$0")/.."
ref=${1:?the commit to compare with} bench=${2:-bench-forward} rounds=${3:-5}
shift $(($# < 3 ? $# : 3))

commit=$(git rev-parse --verify --short "$ref^{commit}")
old=target/compare/$commit
if [[ ! -d $old ]]; then
    mkdir -p target/compare
    git worktree prune
    git worktree add --detach "$old" "$commit"
fi
trap 'git worktree remove --force "$old"' EXIT
build() {
    cargo build --locked --release --package plenum-bench --bin "$1" --target-dir "$2"
    cargo build --locked --release --package plenum-worker --bin plenum-worker --target-dir "$2"
    # The page stays what it is when there is none: joins do not fetch it.
    if [[ $1 == bench-joins ]]; then
        cargo build --locked --release --package plenum --bin plenum --target-dir "$2"
    fi
}
# A folder of its own for what is built of it stays: the next comparison with the same commit begins at once.
built=$PWD/target/compare/build-$commit
(cd "$old" && build "$bench" "$built")
build "$bench" target
cargo build --locked --release --package plenum-bench --bin bench-compare
echo "old: $commit, new: $(git rev-parse --short HEAD)$([[ -z $(git status --porcelain --untracked-files=no) ]] || echo ' and what is not committed')"
target/release/bench-compare "$built/release/$bench" "target/release/$bench" "$rounds" "$@"
