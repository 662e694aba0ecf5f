"""Frequent function words by language, and how many different ones a text has.

English has the eight words of Gopher (Rae et al. 2021, A.1.1); the other lists are this project's: the most
frequent function words that few neighbouring languages share. Words of a list that stand for each other
(simplified and traditional forms) are joined by "/". Chinese, Japanese and Korean ones are single characters,
as the segmenter's words are.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quality.measures.gaps import Bytes, Integers
from quality.measures.tokens import Hashes
from text.buffers import TextBuffer
from text.jit import kernel
from text.words import Words, segment

STOP_WORDS: dict[str, str] = {
    "en": "the be to of and that have with",
    "de": "der die und das nicht ist ein von mit auf für den sich auch",
    "fr": "le la les des et est une dans pour que qui pas sur avec",
    "es": "el la los las y en que una por con para del no se",
    "pt": "o os as e em que uma para com não por do da se",
    "it": "il che di la e un una per non con sono del della si",
    "nl": "de het een en van is dat niet op te voor met zijn er",
    "ru": "и в не на что я с он как это по но к из у за от",
    "pl": "i w na nie że się z do to jest o jak po za od",
    "uk": "і в не на що я з він як це та до у за від",
    "cs": "a v se na je že z s do o i to ve pro by",
    "sv": "och i att det som en på är av för med den inte till",
    "tr": "bir ve bu da de için ile çok ne daha olarak gibi ama",
    "vi": "và của là có không cho được các một người trong với",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada",
    "ar": "في من على أن إلى لا ما هذا عن مع كان التي",
    "zh": "的 是 在 了 不 和 有 我 他 这/這 也 就 都 而 及 与/與 为/為 以 于/於 之 对/對 个/個 会/會",
    "ja": "の に は を が と で も た て し な だ い る",
    "ko": "이 은 는 을 를 의 에 가 도 고 로 한 다 와 과",
}
"""Words by lid.176 code."""

VARIANTS = {"yue": "zh", "wuu": "zh", "lzh": "zh"}
"""Languages measured with another one's list: Chinese beside Mandarin."""

UNSPACED_LANGUAGES = frozenset({"zh", "yue", "wuu", "lzh", "ja"})
"""Languages whose words are counted as characters and whose lines end in full-width punctuation."""

DEFAULT_LANGUAGE = "en"
_SLOTS = 256
_SHIFT = np.uint64(56)


class StopWordTable(NamedTuple):
    """A small hash table a language: `keys` and `numbers` (languages, 256); number 0 is an empty slot."""

    keys: Hashes
    numbers: npt.NDArray[np.uint8]


def base_language(code: str) -> str:
    """The code without region or script (zh-TW, pt_BR), in lower case; Chinese variants as zh."""
    base = code.lower().replace("_", "-").split("-")[0]
    return VARIANTS.get(base, base)


def language_numbers(codes: Sequence[str | None]) -> npt.NDArray[np.int32]:
    """Place of each language's list in STOP_WORDS, -1 where there is none."""
    places = {language: place for place, language in enumerate(STOP_WORDS)}
    return np.array([-1 if code is None else places.get(base_language(code), -1) for code in codes], np.int32)


@cache
def stop_word_table() -> StopWordTable:
    """The lists as the kernel looks them up, built at first use."""
    keys, numbers = (
        np.zeros((len(STOP_WORDS), _SLOTS), np.uint64),
        np.zeros((len(STOP_WORDS), _SLOTS), np.uint8),
    )
    for row, words in enumerate(STOP_WORDS.values()):
        for number, forms in enumerate(words.split(), 1):
            for key in segment(pa.array(forms.split("/"))).hashes:
                slot = int(key >> _SHIFT)
                while numbers[row, slot]:
                    slot = (slot + 1) % _SLOTS
                keys[row, slot], numbers[row, slot] = key, number
    return StopWordTable(keys, numbers)


def count_stop_words(buffer: TextBuffer, words: Words, languages: npt.NDArray[np.int32]) -> Integers:
    """Different stop words of each document's language in any case, and in lower case alone: (2, documents)."""
    found = np.zeros((2, len(languages)), np.int64)
    stop_words_kernel(buffer.data, buffer.offsets, words, languages, stop_word_table(), found)
    return found


@kernel
def stop_words_kernel(
    data: Bytes,
    offsets: Integers,
    words: Words,
    languages: npt.NDArray[np.int32],
    table: StopWordTable,
    found: Integers,
) -> None:
    """Fill the rows of `count_stop_words`."""
    keys, numbers, hashes = table.keys, table.numbers, words.hashes
    for document in range(len(languages)):
        row = languages[document]
        if row < 0:
            continue
        seen, seen_lower = np.uint64(0), np.uint64(0)
        for word in range(words.offsets[document], words.offsets[document + 1]):
            key = hashes[word]
            slot = np.int64(key >> _SHIFT)
            while numbers[row, slot] and keys[row, slot] != key:
                slot = (slot + 1) % _SLOTS
            number = numbers[row, slot]
            if number == 0:
                continue
            bit = np.uint64(1) << np.uint64(number)
            seen |= bit
            lower = True
            for place in range(words.starts[word], words.ends[word]):
                byte = data[offsets[document] + place]
                lower &= byte < 65 or byte > 90
            if lower:
                seen_lower |= bit
        while seen:
            found[0, document] += 1
            seen &= seen - np.uint64(1)
        while seen_lower:
            found[1, document] += 1
            seen_lower &= seen_lower - np.uint64(1)
