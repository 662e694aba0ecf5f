"""Replies in another language than their prompt, unless the prompt may have asked for one."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from quality.language import UNDETERMINED, identify

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|&\w+;", re.DOTALL)
_HAN = re.compile("[\u3400-\u9fff]")
_KANA = re.compile("[\u3040-\u30ff]")
_HANGUL = re.compile("[\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")
_SCRIPT_SHARE = 0.3
_KANA_SHARE = 0.1
_LETTER_SHARE = 0.5
_SCRIPTS = {"zh", "ja", "ko"}
_SAME_SCRIPT = 4  # within one script it takes more text: a list of dishes is Italian to the model
# Pairs that the model confuses, or that readers of one read as the other.
_ALIKE = {
    "nn": "no",
    "da": "no",
    "hr": "sh",
    "sr": "sh",
    "bs": "sh",
    "ms": "id",
    "gl": "pt",
    "sk": "cs",
    "ast": "es",
}
_ASKS = re.compile(
    r"translat|\blanguages?\b|\bwords?\b|\bphrase|\bsentence|spelling|grammar|\bcode\b|"
    r"\b(?:english|chinese|mandarin|cantonese|french|spanish|german|italian|portuguese|russian|japanese|korean|arabic|"
    r"hindi|latin|dutch|turkish|polish|swedish|greek|hebrew|vietnamese|thai|indonesian|ukrainian|bengali|urdu|sql|"
    r"python|javascript|java|html|css|regex)\b|c\+\+|翻译|译成|译为|语言|中文|汉语|普通话|英文|英语|法语|法文|西班牙|德语|德文|"
    r"意大利|葡萄牙|俄语|俄文|日语|日文|韩语|韩文|阿拉伯|拉丁|拼写|拼音|单词|词汇|词语|短语|句子|这句|语法|代码|程序|函数|脚本|"
    r"正则|查询|算法|缩写",
    re.IGNORECASE,
)


class Mismatch(NamedTuple):
    """A reply that is not in its prompt's language: codes and the reply's probability, 0..1."""

    row: int
    asked: str
    answered: str
    score: float


def language_mismatches(
    prompts: Sequence[str], replies: Sequence[str], min_score: float, min_chars: int
) -> list[Mismatch]:
    """The rows whose prompt and reply are of two languages, both known with a probability of `min_score`.

    Left aside are code, addresses, texts of fewer than `min_chars` letters (a Han character counts as three) or of
    more marks and numbers than letters, and prompts that name a language, words, a translation or code: these may
    ask for what they got.
    """
    asked, answered = [_prose(text) for text in prompts], [_prose(text) for text in replies]
    rows = [
        row
        for row, prompt in enumerate(prompts)
        if not _ASKS.search(prompt) and all(_is_long(text, min_chars) for text in (asked[row], answered[row]))
    ]
    told = identified([asked[row] for row in rows])
    given = identified([answered[row] for row in rows])
    return [
        Mismatch(row, one, other, second)
        for row, (one, first), (other, second) in zip(rows, told, given, strict=True)
        if one != other
        and min(first, second) >= min_score
        and (_SCRIPTS & {one, other} or min(len(asked[row]), len(answered[row])) >= _SAME_SCRIPT * min_chars)
    ]


def _prose(text: str) -> str:
    return _CODE.sub(" ", text).strip()


def _is_long(text: str, min_chars: int) -> bool:
    letters = len(_LETTER.findall(text))
    return letters + 2 * len(_HAN.findall(text)) >= min_chars and letters >= _LETTER_SHARE * len(
        text.replace(" ", "")
    )


def identified(texts: list[str]) -> list[tuple[str, float]]:
    """Language and probability of each text, by script where that tells: the model takes Chinese for Japanese."""
    if not texts:
        return []
    batch = identify(pa.array(texts, pa.string()))
    codes, scores = batch.column("language").to_pylist(), batch.column("language_score").to_pylist()
    return [
        _by_script(text)
        or ((UNDETERMINED, 0.0) if code in ("zh", "ja", "ko") else (_ALIKE.get(code, code), score))
        for text, code, score in zip(texts, codes, scores, strict=True)
    ]


def _by_script(text: str) -> tuple[str, float] | None:
    letters = max(len(_LETTER.findall(text)), 1)
    hangul, kana, han = (len(script.findall(text)) / letters for script in (_HANGUL, _KANA, _HAN))
    if hangul > _SCRIPT_SHARE:
        return "ko", hangul
    if kana > _KANA_SHARE:
        return "ja", min(kana + han, 1.0)
    return ("zh", han) if han > _SCRIPT_SHARE else None
