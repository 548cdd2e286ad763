#!/usr/bin/env bash
# Fuzz corpora between their two forms: in the tree one file per target with an input per line in hexadecimal, for
# libFuzzer a folder with a file per input.
#   scripts/fuzz-corpus.sh unpack TARGET FOLDER      what the tree has, into a folder
#   scripts/fuzz-corpus.sh pack TARGET FOLDER        the inputs of a folder, into the tree
set -euo pipefail
cd "$(dirname "$0")/.."

action=${1:?} target=${2:?} folder=${3:?}
file=fuzz/corpus/$target.hex

case $action in
unpack)
    mkdir -p "$folder"
    [[ -f $file ]] || exit 0
    python3 - "$file" "$folder" <<'PY'
import hashlib, pathlib, sys
for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
    data = bytes.fromhex(line)
    (pathlib.Path(sys.argv[2]) / hashlib.sha1(data).hexdigest()).write_bytes(data)
PY
    ;;
pack)
    mkdir -p "$(dirname "$file")"
    python3 - "$file" "$folder" <<'PY'
import pathlib, sys
# Short inputs say most per byte; what is longer or beyond the first few hundred adds little.
inputs = {path.read_bytes() for path in pathlib.Path(sys.argv[2]).iterdir() if path.is_file()}
kept = sorted((data for data in inputs if len(data) <= 1024), key=lambda data: (len(data), data))[:300]
pathlib.Path(sys.argv[1]).write_text("".join(data.hex() + "\n" for data in kept))
PY
    ;;
*)
    sed -n '2,6p' "$0" >&2
    exit 2
    ;;
esac
