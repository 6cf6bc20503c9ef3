#!/usr/bin/env bash
# torch 2.13.0 (CPU): a bfloat16 product builds a kernel anew for every number of rows that it has not met.
#
# Guess: where a processor has instructions for bfloat16, autocast makes the dense layers of a graph
# network faster, as it does for batches of one shape. Seen: a layer's products go to oneDNN, which
# builds a primitive for every shape. A batch of crystals has another number of edges each time, so
# that every layer builds three (forward, gradient of the input, gradient of the weight) at every
# step, while batches of one size build three in all. A step then waits for kernels that are used
# once: the last lines show what that costs here; the share depends on the machine, and is only
# printed. 1,024 primitives are kept by default, so that a network of many layers loses those of one
# epoch before the next. In float32 no product goes to oneDNN, whatever the shape.
set -euo pipefail
if ! grep -q -w avx512bw /proc/cpuinfo; then
  echo "This processor has no AVX-512: torch leaves bfloat16 products to other code; nothing is shown."
  exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "numpy==2.4.6"
cat > "$folder/steps.py" <<'PY'
import sys
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(0)
layer = torch.nn.Linear(64, 64)
sizes = torch.randint(2400, 3400, (200,)).unique()[:100].tolist()
if sys.argv[1] == "equal":
    sizes = [sizes[50]] * len(sizes)
batches = [torch.randn(edges, 64, requires_grad=True) for edges in sizes]
start = time.perf_counter()
for edges in batches:
    with torch.autocast("cpu", torch.bfloat16, enabled=sys.argv[2] == "bfloat16"):
        value = layer(edges)
    value.float().square().sum().backward()
print(f"{10 * (time.perf_counter() - start):.1f}")  # ms of one of the 100 steps
PY
declare -A built
for kind in "equal float32" "varying float32" "equal bfloat16" "varying bfloat16"; do
  # Splitting the kind into its two words is meant.
  # shellcheck disable=SC2086
  output=$(ONEDNN_VERBOSE=profile_create "$folder/venv/bin/python" -W ignore "$folder/steps.py" $kind)
  built[$kind]=$(grep -c -E "create:cache_miss.*,(matmul|inner_product)," <<< "$output" || true)
  # shellcheck disable=SC2086
  plain=$("$folder/venv/bin/python" -W ignore "$folder/steps.py" $kind)
  echo "$kind: ${built[$kind]} kernels in 100 steps, $plain ms a step"
done
[ "${built[equal float32]}" -eq 0 ] && [ "${built[varying float32]}" -eq 0 ]
[ "${built[equal bfloat16]}" -eq 3 ] && [ "${built[varying bfloat16]}" -eq 300 ]
echo "torch 2.13.0 still builds a bfloat16 product for every number of rows."
