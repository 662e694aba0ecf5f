"""Peers of the pretraining loop on the same shape and batch: Hugging Face's Trainer, and a loop as nanoGPT has it.

Both train GPT-2 with dense attention, learned positions and a tied head, without dropout, in bf16 autocast over fp32
weights, with fused AdamW and clipping at 1.0. Shapes: B rows, T tokens, D features.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

from benchmarks.gpu_tools import wait
from model.gpt_config import GPTConfig

RATE = 1e-4
BETAS = (0.9, 0.95)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.attn_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc, self.fc_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.attn(self.ln_1(x)).split(width, dim=2)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.fc_proj(F.gelu(self.fc(self.ln_2(x))))


class _NanoGPT(nn.Module):
    def __init__(self, shape: GPTConfig) -> None:
        super().__init__()
        self.wte = nn.Embedding(shape.padded_vocab_size, shape.d_model)
        self.wpe = nn.Embedding(shape.context, shape.d_model)
        self.blocks = nn.ModuleList(_Block(shape.d_model, shape.n_head) for _ in range(shape.n_layer))
        self.ln_f = nn.LayerNorm(shape.d_model)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))


def nano_gpt_step(
    shape: GPTConfig, device: torch.device, rows: int, micro: int, compiled: bool
) -> Callable[[], float]:
    """A step of nanoGPT's loop over `rows` random rows, `micro` at a time; gives the loss."""
    model = _NanoGPT(shape).to(device)
    forward: Any = torch.compile(model) if compiled else model
    adam = torch.optim.AdamW(model.parameters(), lr=RATE, betas=BETAS, weight_decay=0.1, fused=True)
    ids = torch.randint(shape.vocab_size, (micro, shape.context + 1))
    ids = ids.pin_memory() if device.type == "cuda" else ids
    steps = rows // micro

    def step() -> float:
        total = torch.zeros((), device=device)
        for _ in range(steps):
            batch = ids.to(device, non_blocking=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = forward(batch[:, :-1], batch[:, 1:]) / steps
            loss.backward()
            total += loss.detach()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        return float(total.item())

    return step


class _RandomRows(Dataset[dict[str, Tensor]]):
    def __init__(self, shape: GPTConfig, rows: int) -> None:
        self.ids = torch.randint(shape.vocab_size, (rows, shape.context))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {"input_ids": self.ids[row], "labels": self.ids[row]}


class _Clock(TrainerCallback):
    def __init__(self, device: torch.device) -> None:
        self.device, self.begin, self.spent = device, 0.0, list[float]()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        wait(self.device)
        self.begin = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        wait(self.device)
        self.spent.append(time.perf_counter() - self.begin)


def hugging_face_seconds(
    shape: GPTConfig, device: torch.device, rows: int, micro: int, compiled: bool, steps: int, folder: Path
) -> list[float]:
    """Seconds of each of `steps` steps of Trainer on GPT2LMHeadModel, its preparation of batches left out.

    An ImportError of transformers where accelerate is not installed: Trainer needs it.
    """
    config = GPT2Config(
        vocab_size=shape.vocab_size,
        n_positions=shape.context,
        n_embd=shape.d_model,
        n_layer=shape.n_layer,
        n_head=shape.n_head,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
        use_cache=False,
    )
    clock = _Clock(device)
    trainer = Trainer(
        model=GPT2LMHeadModel(config),
        args=TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=rows // micro,
            max_steps=steps,
            learning_rate=RATE,
            weight_decay=0.1,
            adam_beta2=BETAS[1],
            optim="adamw_torch_fused",
            bf16=device.type == "cuda",
            use_cpu=device.type == "cpu",
            torch_compile=compiled,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=_RandomRows(shape, rows * steps),
        callbacks=[clock],
    )
    trainer.train()
    return clock.spent
