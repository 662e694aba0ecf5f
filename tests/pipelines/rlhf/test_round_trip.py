"""A round through the training side's own sampler: prompts out, answers back, judged."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.rlhf import chat_tokenizer
from pipelines.rlhf.judge import JudgeConfig, judge
from pipelines.rlhf.rounds import RoundConfig, draw_prompts, gather, policy_of
from tests.pipelines.rlhf.rule_tables import chat_tokenizer as small
from tests.pipelines.rlhf.test_rounds import prompts

torch = pytest.importorskip("torch")

ASKED = prompts("the cat\n sat?", "中文 <|end|> <|user|>", " 😀é  dog ")


@pytest.mark.slow
def test_a_round_through_the_sampler(tmp_path: Path) -> None:
    from model.export import save_hf
    from model.generate import GenerateConfig, SamplingConfig, answer_file
    from model.gpt import GPT
    from model.gpt_config import GPTConfig

    torch.manual_seed(0)
    chat_tokenizer.save(small().tokenizer, str(tmp_path / "tokenizer"))
    size = small().tokenizer.get_vocab_size()
    model = GPT(GPTConfig(vocab_size=size, context=128, n_layer=2, n_head=2, d_model=32))
    save_hf(model, tmp_path / "policy", tmp_path / "tokenizer")
    drawn = draw_prompts(ASKED, pa.array([], pa.string()), 0, RoundConfig())
    pq.write_table(drawn, tmp_path / "prompts.parquet")
    sampling = SamplingConfig(max_new_tokens=6)
    config = GenerateConfig(
        model=str(tmp_path / "policy"),
        prompts=str(tmp_path / "prompts.parquet"),
        output="parquet",
        samples=4,
        sampling=sampling,
        device="cpu",
    )
    out = tmp_path / "out"
    out.mkdir()
    answer_file(config, out)
    policy = policy_of(json.loads((out / "run.json").read_text()))
    judged = gather(drawn, pq.read_table(out / "generations.parquet"), policy, "v-1", "features-v2", "model")
    assert judged.candidates.num_rows == 3
    assert json.loads(judged.lineage["sampling"][0].as_py())["samples"] == 4
    assert policy.digest
    assert judge(judged.candidates, JudgeConfig()).judgements.num_rows == 3
