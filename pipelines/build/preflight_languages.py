"""Whether the languages that a config names are codes of the language model.

A code that the model never says keeps no page and trains no classifier, and nothing else would tell: 'eng' in place
of 'en' drops the whole crawl, hours later and without an error.
"""

from collections.abc import Iterator

from pipelines.build.preflight_selection import SELECTION_KEY
from pipelines.classify import ClassifierConfig
from pipelines.selection_config import SelectionConfig
from quality.language import LanguageModelError, codes
from quality.rule_sets import RulesConfig


def check_languages(selection: SelectionConfig | None, classifier: ClassifierConfig | None) -> str | None:
    """What is wrong with the languages of both, beginning with the key; None where nothing is."""
    standard = {code for rules in RulesConfig().by_language for code in rules.languages}
    named = [(key, code) for key, code in _named(selection, classifier) if code not in standard]
    if not named:
        return None
    try:
        known = codes()
    except LanguageModelError as error:
        return f"{named[0][0]}: {error}"
    for key, code in named:
        if code not in known:
            return (
                f"{key}: the language model has no language '{code}'; its codes are those of Wikipedia's "
                f"addresses, as en, de, zh: {' '.join(sorted(known))}"
            )
    return None


def _named(
    selection: SelectionConfig | None, classifier: ClassifierConfig | None
) -> Iterator[tuple[str, str]]:
    """Key and code of each language that is named."""
    lists: list[tuple[str, list[str]]] = []
    if selection is not None:
        lists.append((f"{SELECTION_KEY}.languages", selection.languages))
        for place, rules in enumerate(selection.rules.by_language):
            lists.append((f"{SELECTION_KEY}.rules.by_language.{place}.languages", rules.languages))
        for place, limit in enumerate(
            selection.max_perplexity.by_language if selection.max_perplexity else []
        ):
            lists.append((f"{SELECTION_KEY}.max_perplexity.by_language.{place}.languages", limit.languages))
    if classifier is not None:
        lists.append(("ops.quality_model.config.per_language", classifier.per_language))
    for key, languages in lists:
        for number, code in enumerate(languages):
            yield f"{key}.{number}", code
