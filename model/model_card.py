"""The README.md of an exported model: what it is, how to load it, where stock code goes wrong, its figures."""

import json
from collections.abc import Mapping
from typing import Any

from model.gpt_config import GPTConfig

# Keys of a card that the hub reads from the head of the file; every other one becomes a row of the table.
HEAD_KEYS = ("license", "language", "datasets", "base_model", "model_name")

_GENERATOR = """\
```python
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(FOLDER)
```

- Rows padded on the left need `position_ids` (`attention_mask.cumsum(-1) - 1`) in `forward`; `generate` makes them.
"""
_NEO = """\
- Keep the default (eager) attention: `flash_attention_2` ignores the window of local layers.
- Keep the default (dynamic) cache: `cache_implementation="static"` gives wrong tokens.
"""
_SCORER = """\
```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForSequenceClassification.from_pretrained(FOLDER)
```

- The score is read at the last token that is not padding: pad on the right (as the tokenizer here does), and end the
  text with its end token.
"""


def model_card(config: GPTConfig, scalar: bool, facts: Mapping[str, Any]) -> str:
    """The card as Markdown; `facts` are the licence, the datasets and any figures, as JSON values."""
    task = "text-classification" if scalar else "text-generation"
    head = {"library_name": "transformers", "pipeline_tag": task}
    head |= {key: facts[key] for key in HEAD_KEYS if key in facts}
    kind = "GPT with a scalar head (reward or value)" if scalar else "GPT language model"
    local = f"alternating dense and local layers, band {config.band}" if config.band else "dense attention"
    shape = (
        f"{kind}: {config.n_parameters:,} parameters, {config.n_layer} layers, width {config.d_model:,}, "
        f"{config.n_head} heads, context {config.context:,}, vocabulary {config.vocab_size:,}; {local}."
    )
    traps = _SCORER if scalar else _GENERATOR
    if not config.qkv_bias:
        traps += _NEO
    # A JSON value is a YAML value.
    lines = [
        "---",
        *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()),
        "---",
    ]
    lines += ["", f"# {facts.get('model_name', 'Model')}", "", shape, "", "## Use", "", traps]
    rows = [f"| {_cell(key)} | {_cell(value)} |" for key, value in facts.items() if key not in HEAD_KEYS]
    if rows:
        lines += ["## Figures", "", "| what | value |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", "\\|").replace("\n", " ")
