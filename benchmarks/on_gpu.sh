#!/usr/bin/env bash
# What only a GPU can show, in under ten minutes: benchmarks/on_gpu.sh FOLDER [SHARED]
#
# FOLDER gets the tables (to be committed under benchmarks/results), profiles and logs. SHARED is the
# folder with minima/gen.py, from which weights come where there are no official ones. PYTHON names
# the python that has georeg. What comes first matters most; nothing stops what comes after it.
set -uo pipefail

[[ $# -ge 1 ]] || { printf 'usage: benchmarks/on_gpu.sh FOLDER [SHARED]\n' >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
shared=$(cd "${2:-../shared}" && pwd)
python=${PYTHON:-python3}
export GEOREG_SHARED=$shared
cp benchmarks/results/matchers.json "$out"

measured() { # ARGUMENT...: rows of benchmarks/results/matchers.md, for 5 s each
    "$python" benchmarks/matchers.py --out "$out" --shared "$shared" --seconds 5 "$@" 2>&1 |
        tee -a "$out/log.txt"
}

measured --matchers minima_loftr --dtypes float16 --batches 1 8 32
"$python" benchmarks/supply.py --out "$out" 2>&1 | tee -a "$out/log.txt" # what could be read for it
measured --matchers minima_loftr --dtypes float16 --batches 32 --plain
for matcher in minima_loftr minima_eloftr; do
    measured --profile --matchers "$matcher" --dtypes float16 --batches 32
done
"$python" -m pytest -q tests/test_team.py tests/test_networks_lean.py tests/test_matching_running.py \
    2>&1 | tail -3 | tee -a "$out/log.txt"
measured --matchers minima_xoftr minima_eloftr minima_lightglue --dtypes float16 --batches 1 32
measured --matchers minima_loftr --dtypes float16 --batches 32 --compiled
measured --matchers structural embedded --dtypes float32 --batches 1 32
measured --matchers structural --dtypes float32 --batches 1 --align minima_loftr
