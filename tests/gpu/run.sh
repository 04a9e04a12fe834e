#!/usr/bin/env bash
# All that is to be seen on a GPU, in one call: the stages tests, bench and pretrain, each with a time limit, and at the end
# a table and report.json in the output folder. With --device cpu --rehearse the same on the CPU, on little.
#   bash tests/gpu/run.sh --device cuda --out results --data data/asas,data/css [--stages tests,bench,pretrain] [--seconds 560]
set -uo pipefail
cd "$(dirname "$0")/../.."
device=cuda out="${OUT:-gpu-results}" data="" short=../shared/peers/lengths_short.txt stages=tests,bench,pretrain seconds=560 rehearse=""
while [ $# -gt 0 ]; do
  case "$1" in
    --device) device=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    --data) data=$2; shift 2 ;;
    --short) short=$2; shift 2 ;;
    --stages) stages=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --rehearse) rehearse=--rehearse; shift ;;
    *) echo "run.sh: $1 is not known: there are --device, --out, --data, --short, --stages, --seconds, --rehearse" >&2; exit 2 ;;
  esac
done
# On little work threads mostly wait for each other, above all on a machine with other work.
if [ -n "$rehearse" ]; then export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"; fi
mkdir -p "$out"
deno=$(command -v "${DENO:-deno}") python=${PYTHON:-python3} start=$SECONDS
left() { echo $((seconds - SECONDS + start)); }
# A program with at most so many seconds, of those that are left; its lines of JSON go to a file, its errors to a log.
limited() { # seconds, file, program…
  local limit=$1 file=$2; shift 2
  local most=$(($(left) - 15)); if [ "$limit" -gt "$most" ]; then limit=$most; fi
  if [ "$limit" -le 0 ]; then echo "no time left: $*" >>"$out/log"; return 1; fi
  echo "== $(left) s left: $*" >>"$out/log"
  timeout -k 5 "$limit" "$@" 2>>"$out/log" | tee -a "$out/$file"
  local code=${PIPESTATUS[0]}
  if [ "$code" -ne 0 ]; then echo "exit code $code: $*" | tee -a "$out/log"; fi
  return "$code"
}
run() { local limit=$1 file=$2; shift 2; limited "$limit" "$file" "$deno" run -A --cached-only "$@"; }

if [[ ",$stages," == *,tests,* ]]; then
  : >"$out/tests.jsonl"
  for check in $("$deno" run -A --cached-only tests/gpu/checks.ts list); do
    run 90 tests.jsonl tests/gpu/checks.ts --device "$device" $rehearse "$check" ||
      grep -q "\"check\":\"$check\"" "$out/tests.jsonl" ||
      echo "{\"check\":\"$check\",\"ok\":false,\"error\":\"it ended without a word: see log\"}" >>"$out/tests.jsonl"
  done
  # The unit tests that need a GPU.
  limited 90 unit.log "$deno" test -A --cached-only --quiet --filter "/CUDA|GPU/" tests/ffi/device_test.ts tests/ffi/nccl_test.ts >/dev/null && unit=true || unit=false
  [ $unit = true ] || cat "$out/unit.log" >>"$out/log"
  echo "{\"check\":\"unitTests\",\"ok\":$unit}" | tee -a "$out/tests.jsonl"
  # Two processes on one device.
  run 60 two.log tests/gpu/checks.ts --device "$device" $rehearse repeated >/dev/null & other=$!
  run 60 two.log tests/gpu/checks.ts --device "$device" $rehearse repeated >/dev/null && one=true || one=false
  wait $other && two=true || two=false
  [ $one = true ] && [ $two = true ] && both=true || both=false
  echo "{\"check\":\"twoProcesses\",\"ok\":$both}" | tee -a "$out/tests.jsonl"
fi

if [[ ",$stages," == *,bench,* ]]; then
  : >"$out/bench.jsonl"
  steps=(--steps 30) sizes=(256 1024 32) precisions=(bfloat16)
  if [ -n "$rehearse" ]; then steps=(--steps 2) sizes=(4 6 2) precisions=(float32); fi
  run 40 bench.jsonl tests/gpu/bench.ts --device "$device" --peak --precision "${precisions[0]}"
  measure() { # batch, lengths, variants of the peer…
    local batch=$1 lengths=$2; shift 2
    for precision in "${precisions[@]}"; do
      run 60 bench.jsonl tests/gpu/bench.ts --device "$device" $rehearse "${steps[@]}" --batch "$batch" --lengths "$lengths" --precision "$precision"
      for variant in "$@"; do
        limited 100 bench.jsonl "$python" tests/peers/gpu_peer.py --device "$device" $rehearse "${steps[@]}" --batch "$batch" --lengths "$lengths" --precision "$precision" --variant "$variant"
      done
    done
  }
  # What is most wanted comes first.
  measure "${sizes[0]}" 200 graph compile sdpa
  measure "${sizes[1]}" 200 graph compile
  measure "${sizes[2]}" 200 eager graph
  # Lengths of short light curves, one a line; a clone by itself has none.
  if [ -e "$short" ]; then measure "${sizes[0]}" "$short" graph; else echo "not measured: short light curves, there is no $short" | tee -a "$out/log"; fi
  run 60 bench.jsonl tests/gpu/bench.ts --device "$device" $rehearse "${steps[@]}" --batch "${sizes[0]}" --launch plain --precision "${precisions[0]}"
  run 60 bench.jsonl tests/gpu/bench.ts --device "$device" $rehearse "${steps[@]}" --batch "${sizes[0]}" --data memory --precision "${precisions[0]}"
fi

if [[ ",$stages," == *,pretrain,* ]]; then
  if [ -z "$data" ]; then # a simulated survey
    data=$out/data
    rm -rf "$out/survey" "$data"
    for step in "simulate --light-curves 60 --seed 1 --output $out/survey" \
      "preprocess --preset reference --input $out/survey --output $data"; do
      # shellcheck disable=SC2086
      "$deno" run -A cli.ts $step >>"$out/log" 2>&1
    done
  fi
  : >"$out/pretrain.jsonl"
  minutes=$(awk "BEGIN { print ($(left) - 75) / 60 }") batch=256
  if [ -n "$rehearse" ]; then minutes=0.05 batch=16; fi
  # shellcheck disable=SC2086
  run "$seconds" pretrain.jsonl tests/gpu/pretrain.ts --device "$device" $rehearse --minutes "$minutes" --batch "$batch" --out "$out" ${data//,/ }
fi

"$deno" run -A --cached-only tests/gpu/verdict.ts --stages "$stages" "$out"
code=$?
rm -rf "$out"/{tests,bench,pretrain}.jsonl "$out"/{two,unit}.log "$out/survey" "$out/data" # all of it is in report.json
exit $code
