"""Whether sources of instructions are there and of a known layout, and what else build_rlhf would find out late."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from pipelines.build.chat_tokenizer import CHAT_TOKENIZER_KEY, ChatTokenizerConfig
from pipelines.build.mixing import TOKENIZER
from pipelines.build.rlhf_datasets import InstructionDatasetsConfig
from pipelines.build.rlhf_reading import SOURCES_KEY, InstructionsConfig
from pipelines.engine import storage
from pipelines.engine.dataset import POINTER
from pipelines.mixing import tokenizer
from pipelines.mixing.tokenizer import PATH_KEY, TokenizerError
from pipelines.rlhf.code_pairs import CodePairsConfig
from pipelines.rlhf.layouts import LayoutError
from pipelines.rlhf.read_stage import read_tasks
from pipelines.rlhf.rows import UnknownFormatError
from pipelines.rlhf.use_case_labels import USE_CASES
from pipelines.sources.config import SourceError

_MIX_KEY = "ops.instruction_datasets.config.rules.quotas.mix"


def check_instructions(config: InstructionsConfig) -> str | None:
    """What is wrong with the sources, beginning with the key; None where nothing is. Reads files' first rows."""
    for number, source in enumerate(config.sources):
        try:
            read_tasks([source])
        except (SourceError, LayoutError, UnknownFormatError, OSError) as error:
            return f"{SOURCES_KEY}.{number}: {error}"
    return None


def check_code_pairs(config: CodePairsConfig) -> str | None:
    """The first package or folder that is not there, with its key."""
    for number, name in enumerate(config.packages):
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            return f"ops.code_pairs.config.packages.{number}: '{name}' is not installed; install it, or leave it out"
    for number, folder in enumerate(config.folders):
        if not Path(folder.path).is_dir():
            return f"ops.code_pairs.config.folders.{number}.path: {folder.path} is no folder"
    return None


def check_corpus_tokenizer(config: ChatTokenizerConfig, root: str) -> str | None:
    """What to do where the corpus's tokenizer is to be taken and there is none under the data root."""
    if config.tokenizer_path is not None or config.train_vocab_size is not None:
        return None
    pointer = storage.join(root, TOKENIZER, POINTER)
    if storage.exists(pointer):
        return None
    return (
        f"{CHAT_TOKENIZER_KEY}: there is no tokenizer of a corpus ({pointer}); run the job build_corpus first, set "
        "tokenizer_path, or set train_vocab_size to train one on the instructions"
    )


def check_chat_tokenizer(config: ChatTokenizerConfig) -> str | None:
    """What is wrong with the tokenizer that the config names, beginning with the key."""
    if config.tokenizer_path is None:
        return None
    try:
        tokenizer.load(config.tokenizer_path)
    except (TokenizerError, OSError) as error:
        return f"{CHAT_TOKENIZER_KEY}.tokenizer_path: {str(error).removeprefix(f'{PATH_KEY}: ')}"
    return None


def check_quotas(config: InstructionDatasetsConfig, known: Sequence[str] = USE_CASES) -> str | None:
    """A use case of the mix that no prompt can have, with its key."""
    for number, share in enumerate(config.rules.quotas.mix):
        if share.use_case not in known:
            return f"{_MIX_KEY}.{number}.use_case: '{share.use_case}' is none of {', '.join(known)}"
    return None
