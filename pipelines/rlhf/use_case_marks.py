"""What a prompt looks like, beside its words: marks that tell a use case in English and Chinese, each 0 to 1.

Three parts are looked at: the whole prompt, its opening (the first line, at most 200 characters) and its ending (the
last line, at most 200). An order mostly stands in one of the two; what lies between is the text that it is about.
Nothing here is learned: `pipelines.rlhf.use_case` weighs the marks.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from text.words import segment

Floats = npt.NDArray[np.float64]

PART_CHARS = 200
_LONG_LINE, _MANY_LINES, _MANY_WORDS = 100, 20, 400

# Verbs and phrases by the use case that they mostly ask for; Chinese ones without word boundaries.
ORDERS: dict[str, tuple[str, str]] = {
    "generate": (
        "write|compose|generate|create|draft|design|invent|make up|produce|prepare|come up with an?",
        "写一|写出|撰写|编写|创作|生成|创建|设计|作文|起草|编一|造句|写个|写首|写封",
    ),
    "code": (
        "code|function|program|script|regex|sql|html|css|python|java|javascript|api|algorithm|bash",
        "代码|函数|程序|脚本|算法|编程|正则",
    ),
    "rewrite": (
        "rewrite|rephrase|paraphrase|reword|correct|fix|edit|improve|polish|simplify|translate|convert|transform|"
        "replace|proofread|grammar|change",
        "改写|改为|改成|翻译|润色|修改|替换|纠正|转换|重写|重新|转化|改进|语法|变成|更正|错别字|译成",
    ),
    "summarize": (
        r"summari[sz]e|summari[sz]ing|summary|tl;?dr|shorten|condense|main points?|key points?|in brief|abstract|"
        "takeaways?",
        "总结|概括|摘要|归纳|概述|要点|提炼|中心思想|简述",
    ),
    "classify": (
        "classify|categori[sz]e|label|sentiment|category|categories|which of|true or false|detect|positive|negative|"
        "rank|identify whether|topic",
        "分类|归类|类别|情感|判断|属于|是否|正面|负面|类型|标签|真假|主题",
    ),
    "brainstorm": (
        "suggest|suggestions?|ideas?|list|brainstorm|recommend|recommendations?|plan|tips|ways to|some|give me",
        "列出|列举|建议|推荐|想法|点子|头脑风暴|方案|提出|举出|计划|创意|几个|一些|提供",
    ),
    "extract": (
        "extract|find all|keywords?|entities|entity|from this text|from the text|identify|attributes",
        "提取|抽取|找出|关键词|关键信息|摘录|实体|识别|列表",
    ),
    "from_text": (
        "according to|based on|read the|passage|context|following (?:text|article|paragraph|story|table|data)|"
        "given (?:text|article|paragraph|story|table|data)|paragraph",
        "根据|阅读|以下|下面|下列|文章|文中|上文|段落|所提供|给定|这篇|表格|数据",
    ),
    "role": (
        "you are|act as|pretend|roleplay|role|let's|i want you to|hello|hi|hey|i feel|i'm|i am|my",
        "你是|扮演|模拟|对话|聊天|假设|你好|我是|我们来|角色",
    ),
    "calculate": (
        "calculate|solve|compute|equation|how many|how much|sum|average|probability|area|total",
        "计算|求|解方程|方程|多少|数列|概率|面积|平均|等于|总共|还剩",
    ),
    "explain": (
        "explain|describe|what is|what are|why|how do(?:es)?|how to|how can|define|difference|compare|"
        "tell me about|who",
        "解释|介绍|说明|什么是|是什么|为什么|如何|怎么|怎样|描述|区别|含义|比较|哪些|意思",
    ),
    "imagine": (
        "story|poem|essay|email|letter|article|blog|post|speech|song|lyrics|advertisement|ad|title|headline|"
        "dialogue|report",
        "故事|诗|文章|作文|邮件|信|演讲|歌|广告|标题|新闻|小说|剧本|报告|文案|博客",
    ),
    "choose": (r"options?|choose|select|\(?[abcd][).:]", "选项|选择|填空|正确答案|[ABCDabcd][)）.、:：]"),
}
_QUESTION = "[?？]"
_SHAPES: dict[str, str] = {
    "fence": "```",
    "code_line": r"(?m)^\s*(?:def |class |import |function |#include|public |SELECT |select |var |const |<\w+|\}|\{)",
    "symbols": r"[{}<>;=]{1}.{0,40}[{}<>;=]{1}",
    "sum": r"\d\s*[-+*/×÷=^]\s*\d",
    "quoted": "[\"“”「」'‘《](?s:.{20,}?)[\"“”」'’》]",
    "numbered": r"(?m)^\s*(?:\d+[.)、]|[-*•])\s*\S",
    "speaker": r"(?m)^\s*[^\s:：]{1,20}(?: [^\s:：]{1,20})?[:：]",
    "blank": r"_{3,}|\[[^\]]{1,40}\]|【",
    "colon_end": r"[:：]\s*(?:\n|$)",
    "table": r"(?m)^[^\n|,]*(?:\||,)[^\n|,]*(?:\||,)[^\n]*\n[^\n|,]*(?:\||,)",
}


class _Sizes(NamedTuple):
    """Marks of length, by name in `names`."""

    lines: Floats
    words: Floats
    long_line: Floats
    between: Floats
    opening_again: Floats
    ending_again: Floats


PARTS = ("whole", "opening", "ending")
_SIZES = ("lines", "words", "long line", "text between", "opening again", "ending again")
_TOGETHER = (
    "question on a text", "question alone", "question on lines", "question on one line", "question from text",
    "last question from text", "last question to explain", "question to speakers", "question with choices",
    "text without question", "opening order without question", "long line alone", "last question again",
    "question of class", "few words",
)  # fmt: skip
_FEW_WORDS, _TEXT_WORDS = 8, 40


def names() -> list[str]:
    """What each column of `marks` says, in order."""
    counted = [f"{part} {order}" for part in PARTS for order in ORDERS]
    asked = [f"{part} question" for part in PARTS]
    return [*counted, *asked, *_SHAPES, *_SIZES, *_TOGETHER]


def marks(texts: pa.Array | pa.ChunkedArray) -> Floats:
    """float64[n, len(names())] of marks, each 0 to 1."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    whole = pc.utf8_trim_whitespace(whole.cast(pa.large_string()))
    opening = pc.utf8_slice_codeunits(_first_line(whole), 0, PART_CHARS)
    ending = pc.utf8_slice_codeunits(_last_line(whole), -PART_CHARS)
    parts = dict(zip(PARTS, (whole, opening, ending), strict=True))
    found = {
        f"{name} {order}": _there(part, _pattern(order)) for name, part in parts.items() for order in ORDERS
    }
    found |= {f"{name} question": _share(part, _QUESTION, 3) for name, part in parts.items()}
    found |= {name: _share(whole, shape, 3) for name, shape in _SHAPES.items()}
    sizes = _sizes(whole, opening, ending)
    columns = [*found.values(), *sizes, *_together(found, sizes)]
    return np.stack(columns, axis=1)


def _together(found: dict[str, Floats], sizes: _Sizes) -> list[Floats]:
    """Marks that only say something together: a question on a given text is another case than a question alone."""
    last = found["ending question"] > 0
    asks = last | (found["opening question"] > 0)
    words = np.expm1(sizes.words * np.log1p(_MANY_WORDS))
    text, lines = words > _TEXT_WORDS, sizes.lines > np.log1p(2) / np.log1p(_MANY_LINES) - 1e-9
    from_text = found["whole from_text"] > 0
    together = (
        asks & text,
        asks & ~text,
        asks & lines,
        asks & ~lines,
        asks & from_text,
        last & from_text,
        last & text & (found["whole explain"] > 0),
        asks & (found["speaker"] > 0),
        asks & (found["whole choose"] > 0),
        from_text & text & ~asks,
        ~asks & (found["opening generate"] > 0),
        text & ~lines,
        last & text & (sizes.ending_again > 0.5),
        asks & (found["whole classify"] > 0),
        words < _FEW_WORDS,
    )
    return [column.astype(np.float64) for column in together]


def _pattern(order: str) -> str:
    english, chinese = ORDERS[order]
    return rf"(?i)\b(?:{english})(?:\b|$)|{chinese}"


def _first_line(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts, pattern=r"(?s)\n.*$", replacement="")


def _last_line(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts, pattern=r"(?s)^.*\n", replacement="")


def _there(texts: pa.Array, pattern: str) -> Floats:
    return np.asarray(pc.match_substring_regex(texts, pattern)).astype(np.float64)


def _share(texts: pa.Array, pattern: str, most: int) -> Floats:
    """How often the pattern is there, `most` times or more as 1."""
    counts = np.asarray(pc.count_substring_regex(texts, pattern)).astype(np.float64)
    return np.minimum(counts, most) / most


def _sizes(whole: pa.Array, opening: pa.Array, ending: pa.Array) -> _Sizes:
    """Lines and words on a scale of logarithms, and whether much text stands outside of opening and ending."""
    chars = np.asarray(pc.utf8_length(whole)).astype(np.float64)
    lines = np.asarray(pc.count_substring(whole, "\n")).astype(np.float64) + 1
    words = segment(whole)
    counts = np.diff(words.offsets).astype(np.float64)
    long_line = _there(whole, rf"[^\n]{{{_LONG_LINE},}}")
    outside = chars - np.asarray(pc.utf8_length(opening)) - np.asarray(pc.utf8_length(ending))
    between = np.clip(outside / np.maximum(chars, 1), 0, 1)
    return _Sizes(
        np.minimum(np.log1p(lines) / np.log1p(_MANY_LINES), 1),
        np.minimum(np.log1p(counts) / np.log1p(_MANY_WORDS), 1),
        long_line,
        between,
        _again(opening, whole),
        _again(ending, whole),
    )


def _again(part: pa.Array, whole: pa.Array) -> Floats:
    """Share of the part's different words that the prompt has more often than the part.

    A question on a text shares its words with it.
    """
    ours, theirs = segment(part), segment(whole)
    found = np.zeros(len(part))
    for row in range(len(part)):
        mine, counts = np.unique(ours.hashes[ours.offsets[row] : ours.offsets[row + 1]], return_counts=True)
        if len(mine):
            all_words, all_counts = np.unique(
                theirs.hashes[theirs.offsets[row] : theirs.offsets[row + 1]], return_counts=True
            )
            at = np.searchsorted(all_words, mine)
            found[row] = float((all_counts[np.minimum(at, len(all_words) - 1)] > counts).mean())
    return found
