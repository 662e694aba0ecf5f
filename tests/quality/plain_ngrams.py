"""Interpolated modified Kneser-Ney with dictionaries, written from the formulas alone: the n-gram model's oracle."""

import math
import re
from collections import Counter, defaultdict

BEGIN, END = "<s>", "</s>"
WORD = re.compile(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+")


def words_of(text: str) -> list[str]:
    """Words as `text.words` has them, of plain texts: runs of letters in lower case, Han characters one by one."""
    return [word.lower() for word in WORD.findall(text)]


class PlainModel:
    """p(word | context) by recursion over counts in dictionaries."""

    def __init__(self, texts: list[str], order: int, min_count: int) -> None:
        sequences = [[BEGIN, *words_of(text), END] for text in texts if words_of(text)]
        raw = {
            n: Counter(tuple(s[i : i + n]) for s in sequences for i in range(len(s) - n + 1))
            for n in range(1, order + 1)
        }
        del raw[1][(BEGIN,)]
        self.order = order
        self.vocabulary = {gram[0] for gram in raw[1]}
        self.counts = {order: dict(raw[order])}
        for n in range(1, order):
            before = Counter(gram[1:] for gram in raw[n + 1])
            self.counts[n] = {gram: raw[n][gram] if gram[0] == BEGIN else before[gram] for gram in raw[n]}
        self.discounts = {n: self._discounts(counts) for n, counts in self.counts.items()}
        self.total: dict[tuple[str, ...], int] = defaultdict(int)
        self.freed: dict[tuple[str, ...], float] = defaultdict(float)
        self.taken: dict[tuple[str, ...], float] = {}
        for n, counts in self.counts.items():
            for gram, count in counts.items():
                kept = n < order or count >= min_count
                discount = self.discounts[n][min(count, 3) - 1] if kept else count
                self.total[gram[:-1]] += count
                self.freed[gram[:-1]] += discount
                if kept:
                    self.taken[gram] = count - discount

    @staticmethod
    def _discounts(counts: dict[tuple[str, ...], int]) -> tuple[float, ...]:
        n1, n2, n3, n4 = (sum(count == j for count in counts.values()) for j in (1, 2, 3, 4))
        if min(n1, n2, n3, n4) > 0:
            y = n1 / (n1 + 2 * n2)
            found = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
            if all(0 < d <= j for j, d in enumerate(found, 1)):
                return found
        return 0.5, 1.0, 1.5

    def p(self, word: str, context: tuple[str, ...]) -> float:
        """Probability of a word (any word out of the vocabulary is the unknown one) behind a context."""
        context = context[-(self.order - 1) :] if self.order > 1 else ()
        if not self.total.get(context):
            return self.p(word, context[1:])
        lower = self.p(word, context[1:]) if context else 1 / (len(self.vocabulary) + 1)
        share = self.taken.get((*context, word), 0.0) / self.total[context]
        return share + self.freed[context] / self.total[context] * lower

    def logs(self, text: str) -> list[float]:
        """log10 p of every word of a text and of its end."""
        said = [BEGIN, *words_of(text), END]
        return [math.log10(self.p(said[i], tuple(said[:i]))) for i in range(1, len(said))]
