"""Whether a selection's rules find their signals, and the lists and models that both name their files."""

from collections.abc import Iterator
from pathlib import Path

from pipelines.classify import ClassifierConfig
from pipelines.list_files import blocklist_files
from pipelines.perplexity import MODEL_KEY, PerplexityConfig
from pipelines.reasons import Reason
from pipelines.selection_config import SelectionConfig
from pipelines.signals import SignalsConfig, measures_digest, signals_schema
from quality import machine_written
from quality.rule_sets import RULE_SETS, RuleSet
from quality.rules import rules_of

SELECTION_KEY, SIGNALS_KEY = "ops.selection.config", "ops.signals.config"


def check_signals(config: SignalsConfig) -> str | None:
    """What is wrong with the lists and models of `config`, beginning with its key; None where nothing is."""
    for number, name in enumerate(config.word_lists):
        if not Path(name).is_file():
            return f"{SIGNALS_KEY}.word_lists.{number}: {name}: no such file; name a list that exists"
    try:
        measures_digest(config)
    except (ValueError, TypeError, OSError, ImportError, AttributeError) as error:
        return f"{SIGNALS_KEY}: {error}"
    return None


def check_selection(config: SelectionConfig, signals: SignalsConfig | None) -> str | None:
    """What is wrong with `config`, beginning with its key; None where nothing is."""
    for name in blocklist_files(config.blocklists):
        if not Path(name).exists():
            return f"{SELECTION_KEY}.blocklists: {name}: no such file or folder; name a list that exists"
    known = RULE_SETS | {rule_set.name: rule_set for rule_set in config.rules.own_sets}
    measured = None if signals is None else signals_schema(signals).schema.names
    for key, name in _named(config):
        if name not in known:
            return f"{SELECTION_KEY}.{key}: no rule set is named '{name}'; known are {sorted(known)}"
        missing = _missing(known[name], measured)
        if missing:
            return (
                f"{SIGNALS_KEY}.families: the rule set '{name}' ({SELECTION_KEY}.{key}) needs the signals of the "
                f"family '{missing}'; add it"
            )
    return None if signals is None else _unmeasured(config, signals)


def check_perplexity(signals: SignalsConfig, models: PerplexityConfig) -> str | None:
    """What is wrong where a run makes both the language models and the signals; None where nothing is."""
    if not signals.perplexity or models.mode == "fit":
        return None
    return f"{MODEL_KEY}.mode: no language model is fitted, but {SIGNALS_KEY}.perplexity is true; set mode to 'fit'"


def check_alpha(config: SelectionConfig, classifier: ClassifierConfig) -> str | None:
    """What keeps the quality model from giving the alpha that `config` asks for, beginning with its key."""
    if config.quality == "pareto" and config.pareto_alpha is None and not classifier.fit.held_out_share:
        return (
            f"{SELECTION_KEY}.pareto_alpha: null takes an alpha that is fitted on held-out documents, and "
            "ops.quality_model.config.fit.held_out_share is 0; set either"
        )
    return None


def _named(config: SelectionConfig) -> Iterator[tuple[str, str]]:
    """Key and name of each rule set that is asked for."""
    for number, name in enumerate(config.rules.rule_sets):
        yield f"rules.rule_sets.{number}", name
    for place, languages in enumerate(config.rules.by_language):
        for number, name in enumerate(languages.rule_sets):
            yield f"rules.by_language.{place}.rule_sets.{number}", name


def _missing(rule_set: RuleSet, measured: list[str] | None) -> str | None:
    """The family of the first signal that the rules need and that is not measured."""
    if measured is None:
        return None
    for rule in rules_of(rule_set):
        if rule.signal not in measured:
            family = rule.signal.split("_")[0]
            dialect = "_datatrove" if rule.signal.startswith(f"{family}_datatrove") else ""
            return "fineweb" if family == "text" else f"{family}{dialect}"
    return None


def _unmeasured(config: SelectionConfig, signals: SignalsConfig) -> str | None:
    """The first limit that is set on what is not measured."""
    limits = (
        (Reason.LISTED_WORDS, config.max_listed_words, "word_lists", bool(signals.word_lists)),
        (Reason.TOXICITY, config.max_toxicity, "toxicity.scorer", signals.toxicity.scorer != "off"),
        (
            Reason.MACHINE_WRITTEN,
            config.max_machine_written,
            machine_written.SIGNAL,
            signals.machine_written is not None,
        ),
        (Reason.PERPLEXITY, config.max_perplexity, "perplexity", signals.perplexity),
        (Reason.PERSONAL_DATA, config.max_personal_data, "personal_data", bool(signals.personal_data)),
    )
    for reason, limit, key, measured in limits:
        if limit is not None and not measured:
            told = limit if isinstance(limit, int | float) else "set"
            return (
                f"{SIGNALS_KEY}.{key}: nothing is measured, but {SELECTION_KEY}.max_{reason} is {told}; "
                "set both or neither"
            )
    return None
