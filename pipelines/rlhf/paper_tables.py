"""InstructGPT's printed figures beside ours: Tables 6, 8 and 9; Table 1 stands in pipelines.rlhf.quotas.

`sft`, `comparisons` and `prompts` are the paper's SFT, RM and PPO data. Table 9 counts before the paper's filter of
prompts over 1,024 tokens, ours after it; its tokens are GPT-3's, ours the run's tokenizer's.
"""

from typing import NamedTuple

Key = tuple[str, str]  # dataset, split


class PaperSize(NamedTuple):
    """Table 6: prompts by who wrote them, None where the paper has a dash."""

    labeler: int | None
    customer: int


SIZES: dict[Key, PaperSize] = {
    ("sft", "train"): PaperSize(11_295, 1_430),
    ("sft", "validation"): PaperSize(1_550, 103),
    ("comparisons", "train"): PaperSize(6_623, 26_584),
    ("comparisons", "validation"): PaperSize(3_488, 14_399),
    ("prompts", "train"): PaperSize(None, 31_144),
    ("prompts", "validation"): PaperSize(None, 16_185),
}

# Table 8.
PROMPTS_PER_CUSTOMER: dict[Key, float] = {
    ("sft", "train"): 1.65,
    ("sft", "validation"): 1.87,
    ("comparisons", "train"): 5.35,
    ("comparisons", "validation"): 27.96,
    ("prompts", "train"): 6.01,
    ("prompts", "validation"): 31.55,
}

# Table 9: mean and most tokens of a prompt.
PROMPT_TOKENS: dict[Key, tuple[float, int]] = {
    ("sft", "train"): (408.0, 2048),
    ("comparisons", "train"): (199.0, 2032),
    ("prompts", "train"): (166.0, 2044),
}
