"""Pretraining gradients within PPO (InstructGPT 3.5, "PPO-ptx")."""

import torch

from model.gpt import GPT
from model.loader import Loader, packed_batches
from model.losses import lm_loss
from model.optimizer import Optimizer
from model.ppo_config import PtxConfig
from model.pretrain import make_order, open_sources
from model.pretrain_config import PretrainConfig, RateConfig, WatchConfig
from model.trainer import Trainer


class Pretraining:
    """Packed sequences in the order that pretraining would read them, and their gradients; resumed with `run`."""

    def __init__(self, config: PtxConfig, model: GPT, run: Trainer) -> None:
        """DataError where a source is missing or does not fit the model."""
        self.config, self.model, self.run = config, model, run
        read_as = PretrainConfig(
            sources=config.sources,
            tokens=1,
            model=model.config,
            rate=RateConfig(warmup_tokens=0),
            window_rows=config.window_rows,
            watch=WatchConfig(sample_every=0),
            run=run.config,
        )
        rows = open_sources(read_as)
        whole = rows[0].length - 1
        self.length = whole if config.sequence_tokens is None else config.sequence_tokens
        if self.length > whole:
            raise ValueError(
                f"ptx.sequence_tokens is {self.length}, but the rows of {rows[0].folder} have {whole}: lower it, or "
                "set it to null"
            )
        pin = run.device.type == "cuda"
        self.loader = Loader(make_order(read_as, rows), packed_batches(rows, pin), config.micro_rows)
        run.track("ptx", self.loader)
        # All sequences are of one length, unlike episodes: worth compiling.
        self.forward = run.compiled(model)

    def gradients(self, optimizer: Optimizer, episodes: int) -> float:
        """Add coefficient times the gradient of the mean loss a token of ratio * episodes sequences; that loss."""
        sequences = self.config.ratio * episodes
        total = torch.zeros((), device=self.run.device)
        for _ in range(sequences // self.config.micro_rows):
            with self.run.waiting():
                batch = next(self.loader)
            ids = batch[:, : self.length + 1].to(self.run.device, non_blocking=True).long()
            hidden = self.forward(ids[:, :-1])
            loss = lm_loss(self.model, hidden, ids[:, 1:], divisor=float(sequences * self.length))
            self.run.backward(self.config.coefficient * loss, optimizer)
            total += loss.detach()
        return float(total.item())  # waits for the device, once an update
