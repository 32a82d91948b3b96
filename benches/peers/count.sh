#!/bin/sh
# Counts the instructions of one fit and of one prediction of 20,000 rows under valgrind: the same on every run and machine of
# one kind, so a change of a few per cent shows that no clock could tell.
#
#   count.sh [MODEL [PARAMS]]            for example: count.sh gbdt '{"num_iterations": 20, "num_leaves": 63}'
#
# Needs valgrind, and the data folder that compare.py made (or python with numpy and pyarrow to make it). Valgrind knows no
# AVX-512, so it is the AVX2 code that is counted.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
folder=$target/peers
model=${1:-gbdt}
params=${2:-null}
mkdir -p "$folder"
data=$folder/claims_20000.parquet
[ -f "$data" ] || python3 "$here/gen_claims.py" "$data" --rows 20000
[ -n "${PEERS:-}" ] || (cd "$root" && cargo build --release -p med-benches --bin peers)
peers=${PEERS:-$target/release/peers}

count() {
    # Only what runs inside `measured_work` is counted, not the reading of the file.
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*measured_work*' \
        --callgrind-out-file="$folder/callgrind.$1.out" "$peers" "$@" 2>&1 >/dev/null |
        awk -v what="$1" '/Collected/ { print what ": " $NF " instructions" }'
    callgrind_annotate --threshold=80 "$folder/callgrind.$1.out" | sed -n '/file:function/,$p' | head -n 14
}

count fit --threads 1 --data "$data" --target annual_cost --exclude exposure --categories codes \
    --model "$model" --params "$params" --save "$folder/counted.model"
count predict --threads 1 --data "$data" --model "$folder/counted.model"
