"""Scores lines with KenLM; run by a Python that has it: peer_kenlm.py MODEL.arpa LINES OUT.json."""

import json
import sys
import time
from pathlib import Path

import kenlm

model = kenlm.Model(sys.argv[1])
lines = Path(sys.argv[2]).read_text(encoding="utf-8").split("\n")[:-1]
for line in lines[:100]:
    model.score(line)
seconds = []
for _ in range(3):
    started = time.process_time()
    scores = [model.score(line) for line in lines]
    seconds.append(time.process_time() - started)
Path(sys.argv[3]).write_text(json.dumps({"seconds": min(seconds), "scores": scores}))
