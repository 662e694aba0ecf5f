"""The shape of a GPT, Table 2.1 of GPT-3 as printed, and the presets that run.

Two printed rows cannot be built, since heads x d_head is not d_model: XL (24 x 128 against 2,048) and 13B (40 x 128
against 5,140). Their presets take 16 heads and a width of 5,120: the nearest shapes of the same parameter count.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Literal, NamedTuple

BAND = 256  # GPT-3 prints no band width; this is the one of GPT-Neo, the paper's open reproduction
VOCAB_MULTIPLE = (
    128  # rows of the embedding table: a multiple of this keeps the head's matrix product on fast tiles
)


@dataclass(frozen=True)
class GPTConfig:
    """Shape of a decoder-only transformer with GPT-2's block (pre-norm, learned positions, GELU, tied head).

    Even layers attend densely. Odd layers attend within `band` where it is set ("alternating dense and locally banded
    sparse attention patterns", GPT-3 section 2.1), and densely where it is not.
    """

    vocab_size: int = field(default=50_257, metadata={"description": "Vocabulary, in tokens."})
    context: int = field(default=2048, metadata={"description": "Longest sequence, in tokens."})
    n_layer: int = field(default=12, metadata={"description": "Transformer blocks."})
    n_head: int = field(
        default=12, metadata={"description": "Attention heads of a block; must divide d_model."}
    )
    d_model: int = field(default=768, metadata={"description": "Width of the residual stream, in features."})
    band: int | None = field(
        default=BAND,
        metadata={"description": "Tokens that an odd layer sees, the current one included; null: all dense."},
    )
    pattern: Literal["banded", "strided"] = field(
        default="banded",
        metadata={
            "description": "What an odd layer sees: the band, or the band and every band-th token before it "
            "(Sparse Transformer; a reference, slow, without cache and export)."
        },
    )
    qkv_bias: bool = field(
        default=False,
        metadata={"description": "Biases of query, key and value: GPT-2 has them, GPT-Neo not."},
    )
    resid_dropout: float = field(
        default=0.0,
        metadata={
            "description": "Dropout of what a block adds to the residual stream, as a share of features."
        },
    )

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context", "n_layer", "n_head", "d_model"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.d_model % self.n_head:
            raise ValueError(
                f"n_head must divide d_model, got {self.n_head} heads for a width of {self.d_model}"
            )
        if self.band is not None and self.band < 1:
            raise ValueError(f"band must be at least 1 token (null for dense attention), got {self.band}")
        if self.pattern not in ("banded", "strided"):
            raise ValueError(f"pattern must be 'banded' or 'strided', got {self.pattern!r}")
        if self.pattern == "strided" and self.band is None:
            raise ValueError("pattern 'strided' needs a band: it is the stride")
        if not 0.0 <= self.resid_dropout < 1.0:
            raise ValueError(f"resid_dropout must lie in [0, 1), got {self.resid_dropout}")

    @property
    def d_head(self) -> int:
        """Width of a head, in features."""
        return self.d_model // self.n_head

    @property
    def padded_vocab_size(self) -> int:
        """Rows of the embedding table: the vocabulary rounded up to a multiple of 128."""
        return -(-self.vocab_size // VOCAB_MULTIPLE) * VOCAB_MULTIPLE

    @property
    def n_parameters(self) -> int:
        """Trained parameters, the head counted once with the embedding it is tied to, padding rows left out."""
        d = self.d_model
        attention = 4 * d * d + (4 * d if self.qkv_bias else d)
        mlp = 8 * d * d + 5 * d
        norms = 4 * d
        return self.n_layer * (attention + mlp + norms) + (self.vocab_size + self.context + 2) * d

    def window(self, layer: int) -> int | None:
        """Tokens that a layer sees, the current one included; None: all before it (GPT-Neo's order: dense first)."""
        return self.band if layer % 2 else None


class PrintedRow(NamedTuple):
    """A row of Table 2.1 of GPT-3 (arXiv 2005.14165) as printed; batch size in tokens."""

    parameters: str
    n_layer: int
    d_model: int
    n_head: int
    d_head: int
    batch_tokens: int
    learning_rate: float


TABLE_2_1 = {
    "gpt3-small": PrintedRow("125M", 12, 768, 12, 64, 500_000, 6.0e-4),
    "gpt3-medium": PrintedRow("350M", 24, 1024, 16, 64, 500_000, 3.0e-4),
    "gpt3-large": PrintedRow("760M", 24, 1536, 16, 96, 500_000, 2.5e-4),
    "gpt3-xl": PrintedRow("1.3B", 24, 2048, 24, 128, 1_000_000, 2.0e-4),
    "gpt3-2.7b": PrintedRow("2.7B", 32, 2560, 32, 80, 1_000_000, 1.6e-4),
    "gpt3-6.7b": PrintedRow("6.7B", 32, 4096, 32, 128, 2_000_000, 1.2e-4),
    "gpt3-13b": PrintedRow("13.0B", 40, 5140, 40, 128, 2_000_000, 1.0e-4),
    "gpt3-175b": PrintedRow("175.0B", 96, 12288, 96, 128, 3_200_000, 0.6e-4),
}
RUNNABLE = {"gpt3-xl": {"n_head": 16}, "gpt3-13b": {"d_model": 5120}}


def dense(config: GPTConfig) -> GPTConfig:
    """The same shape with dense attention in every layer, and GPT-2's biases, so that it exports as GPT-2."""
    return replace(config, band=None, pattern="banded", qkv_bias=True)


def _presets() -> dict[str, GPTConfig]:
    shape = {item.name for item in fields(GPTConfig)} & set(PrintedRow._fields)
    banded = {}
    for name, row in TABLE_2_1.items():
        printed = {key: value for key, value in row._asdict().items() if key in shape}
        banded[name] = GPTConfig(**{**printed, **RUNNABLE.get(name, {})})
    banded["tiny"] = GPTConfig(vocab_size=4096, context=256, n_layer=4, n_head=4, d_model=128, band=64)
    gpt2 = GPTConfig(context=1024, band=None, qkv_bias=True)
    return {
        **banded,
        **{f"{name}-dense": dense(config) for name, config in banded.items()},
        "gpt2": gpt2,
        "gpt2-medium": replace(gpt2, n_layer=24, n_head=16, d_model=1024),
        "gpt2-large": replace(gpt2, n_layer=36, n_head=20, d_model=1280),
        "gpt2-xl": replace(gpt2, n_layer=48, n_head=25, d_model=1600),
    }


PRESETS: dict[str, GPTConfig] = _presets()
