"""Refusals by the phrases that a reply begins with, English and Chinese.

Conservative: the phrase must open the reply and say that nothing is done, the reply must be short, and must not go
on with "however" and an answer. "As an AI I have no favourite colour, but here are ten" is no refusal.
"""

import re

_SORRY = (
    r"(?:(?:i'm|i am|we're|we are)?\s*(?:so |very |truly |really )?(?:sorry|afraid|apologi[sz]e)[^.!?\n]{0,25}?"
    r"[,.!:;]?\s*(?:but\s+)?(?:that\s+)?|i\s+apologi[sz]e[^.!?\n]{0,40}?[,.!:;]\s*(?:but\s+)?|unfortunately,?\s*)"
)
_AS_AI = (
    r"(?:as an? (?:ai|artificial intelligence|large language model|language model|chat ?bot|virtual assistant|"
    r"digital assistant)[^,.!?\n]{0,60},\s*)"
)
_UNABLE = r"(?:can\s?not|can't|will not|won't|am not able to|am unable to|'m not able to|'m unable to)"
_LACKING = (
    r"(?:don't|do not) (?:currently )?have (?:the |any |enough |sufficient )?"
    r"(?:ability|capability|capabilities|access|personal|information|function)"
)
_CANNOT = (
    rf"(?:i|we)\s*(?:just\s+|simply\s+|really\s+|also\s+)?(?:{_UNABLE}|{_LACKING}|"
    r"am not (?:programmed|capable|allowed)|(?:don't|do not|didn't|did not) understand|need more)\b"
)
_IMPOSSIBLE = (
    r"(?:it is|it's|this is|that is|that's)\s+(?:not possible|impossible|not (?:appropriate|ethical))\b"
)
_SERVICES = (
    r"(?:help|assist|provide|answer|fulfil|fulfill|comply|do that|generate|create|complete|give|support|engage|"
    r"discuss|respond|process)"
)
_ENGLISH = re.compile(
    rf"\s*(?:{_SORRY}{_AS_AI}?(?:{_CANNOT}|{_IMPOSSIBLE})|{_AS_AI}{_SORRY}?(?:{_CANNOT}|{_IMPOSSIBLE})|"
    rf"(?:i|we)\s*{_UNABLE}\s+{_SERVICES}\b)",
    re.IGNORECASE,
)
_ZH_SORRY = r"(?:(?:非常|很|十分)?(?:抱歉|对不起|遗憾|不好意思)[，,。！!：:\s]*(?:但是?|不过)?[，,\s]*)"
_ZH_AS_AI = (
    r"(?:(?:作为|身为)(?:一个|一名|一位|一款)?(?:人工智能|AI|ai|大?语言模型|大型语言模型|聊天机器人|虚拟助手|智能助手)"
    r"[^，,。！？\n]{0,25}[，,]\s*)"
)
_ZH_CANNOT = (
    r"(?:我|本模型|我们)?(?:也|还|目前|暂时|现在|并|实在)?"
    r"(?:无法(?!拥有|确切)|不能(?!理解|推断|确定)|没有办法|没办法|不可以|没有能力|不具备|没有权限|没有足够|不会提供|不便|"
    r"不明白|不理解|没有理解|没有找到|拒绝|需要更多)"
)
_ZH_SERVICES = r"(?:提供|回答|帮助|协助|满足|完成|执行|生成|为您|为你|给您|给你)"
_CHINESE = re.compile(
    rf"\s*(?:{_ZH_SORRY}{_ZH_AS_AI}?{_ZH_CANNOT}|{_ZH_AS_AI}{_ZH_SORRY}?{_ZH_CANNOT}|"
    rf"我(?:无法|不能|没办法){_ZH_SERVICES})"
)
_BUT = re.compile(r"\bhowever\b|\bbut\b|\bthat said\b|但是|但|不过|然而|话虽如此", re.IGNORECASE)
_OFFER = re.compile(
    r"[\s,，]*(?:i|we|my|if you|you|feel free|please|it'?s|let me|我|您|你|如果[您你]|请|建议|根据您)",
    re.IGNORECASE,
)
_CJK = re.compile("[\u3400-\u9fff]")
_ANSWER_LENGTH = 60


def refusal(reply: str, max_length: int) -> str | None:
    """The words with which a reply refuses, None where it does not.

    A longer reply than `max_length` is none: characters, of which a Chinese one counts twice.

    >>> refusal("I'm sorry, but I can't help with that.", 500), refusal("I can't wait to tell you: yes!", 500)
    ("I'm sorry, but I can't", None)
    """
    if _length(reply) > max_length:
        return None
    straight = reply.replace("\u2019", "'")
    found = _ENGLISH.match(straight) or _CHINESE.match(straight)
    if found is None or _answers_after_all(straight[found.end() :]):
        return None
    return reply[: found.end()].strip()


def _answers_after_all(rest: str) -> bool:
    """Whether a contrast leads to something else than an offer of help or an advice to look elsewhere."""
    contrast = _BUT.search(rest)
    if contrast is None:
        return False
    behind = rest[contrast.end() :]
    return _length(behind) > _ANSWER_LENGTH and _OFFER.match(behind) is None


def _length(text: str) -> int:
    return len(text) + len(_CJK.findall(text))
