"""The Sparse Transformer's strided pattern (Child et al., arXiv 1904.10509, section 4.3), as a reference.

With stride k a token at position i sees the k tokens up to and with itself, and every k-th token before it:
the union of A1 = {i - k + 1, ..., i} and A2 = {j <= i : (i - j) mod k = 0}, both given to every head (the paper's
"merged" head). GPT-3 says only that its patterns are "similar to the Sparse Transformer", and text has no fixed
period: our models take the band alone (the paper's A1), and this module is here to compare with.

It builds the whole T x T mask, has no kernel, no cache, and no stock model class to export to.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def strided_mask(length: int, stride: int, device: torch.device | None = None) -> Tensor:
    """Which key (column) each query (row) sees: [T, T], bool."""
    at = torch.arange(length, device=device)
    distance = at[:, None] - at[None, :]
    return (distance >= 0) & ((distance < stride) | (distance % stride == 0))


def attend_strided(q: Tensor, k: Tensor, v: Tensor, stride: int) -> Tensor:
    """Softmax attention over the strided pattern: q, k, v, result [B, H, T, d]."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=strided_mask(q.shape[-2], stride, q.device))
