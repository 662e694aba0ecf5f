"""What a quality model does on documents that it has not seen: figures, keep rates beside others', pages to read."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quality.classifiers.evaluation import REFERENCES, by_source, evaluate, precision_recall
from quality.classifiers.examples import MIN_HELD_OUT, Examples, Split
from quality.classifiers.languages import QualityModel
from quality.pareto import fit_alpha, keep_probability
from text.hashing import hash64

PLACES = ("highest", "borderline", "lowest")
CHARACTERS = 240
CLASSES = ("curated", "crawl")


def report(
    model: QualityModel,
    positive: Examples,
    negative: Examples,
    split: Split,
    alpha: float,
    n_documents: int,
    webtext: Collection[str] = (),
) -> dict[str, Any]:
    """The report as JSON values, by what is held out in `split`.

    Keys: note (None, or why there are no figures), figures (classifiers.evaluation.evaluate, each document
    scored by the classifier of its language), by_source, keep_rates, pareto_fit (quality.pareto.fit_alpha on
    the scores of the crawl and, as in the paper, of the curated sources named in `webtext`; `sources` tells
    which, all where too few of those are held out), languages (ROC AUC of a language's own and of the general
    classifier on the same documents), documents (`n_documents` of each class with the highest and the lowest
    scores and nearest to 0.5). Where nothing is held out, documents are those of the fit, and the figures are
    None: they would flatter.
    """
    classes = [positive, negative]
    if split.note is None:
        classes = [positive.select(split.positive), negative.select(split.negative)]
    scores = [model.score_examples(examples) for examples in classes]
    documents = [
        row
        for name, examples, own in zip(CLASSES, classes, scores, strict=True)
        for row in to_read(name, examples, own, n_documents)
    ]
    told: dict[str, Any] = dict.fromkeys(("figures", "by_source", "keep_rates", "pareto_fit", "languages"))
    told |= {"note": split.note, "documents": documents}
    if split.note is not None:
        return told
    figures = evaluate(scores[0], scores[1], alpha)
    like = np.isin(classes[0].names_of_sources(), sorted(webtext))
    if like.sum() < MIN_HELD_OUT:
        like[:] = True
    fitted = fit_alpha(crawled=scores[1], curated=scores[0][like])
    sources = sorted(set(np.array(classes[0].names_of_sources())[like].tolist()))
    return told | {
        "figures": figures,
        "by_source": {
            name: by_source(own, examples.names_of_sources(), figures["threshold"], alpha)
            for name, examples, own in zip(CLASSES, classes, scores, strict=True)
        },
        "keep_rates": keep_rates(scores[0], scores[1], figures, fitted.alpha),
        "pareto_fit": fitted.as_json() | {"sources": sources},
        "languages": _languages(model, classes),
    }


def keep_rates(
    curated: NDArray[np.float64],
    crawled: NDArray[np.float64],
    figures: dict[str, Any],
    fitted_alpha: float,
) -> list[dict[str, Any]]:
    """What rules keep of the crawl and of the curated documents, and the precision of it, classes 1:1; then what
    others' classifiers keep.
    """
    rows: list[dict[str, Any]] = []
    alphas = {"": figures["pareto_alpha"], ", fitted": fitted_alpha}
    for name, alpha in alphas.items():
        of_crawl, of_curated = (float(keep_probability(part, alpha).mean()) for part in (crawled, curated))
        precision = of_curated / (of_crawl + of_curated)
        rows.append(_row("this model", f"pareto, alpha {alpha:.4g}{name}", of_crawl, of_curated, precision))
    for name, limit in (("score >= 0.5", 0.5), ("score >= best threshold", figures["threshold"])):
        told = precision_recall(curated, crawled, limit)
        rows.append(
            _row("this model", name, float((crawled >= limit).mean()), told["recall"], told["precision"])
        )
    for found in figures["at_keep_rates"]:
        rule = f"the best by score, {found['rate']:.2%} of the crawl"
        rows.append(_row("this model", rule, found["rate"], found["recall"], found["precision"]))
    rows += [_row(r.who, r.rule, r.kept, None, None) | {"told_by": r.told_by} for r in REFERENCES]
    return rows


def to_read(name: str, examples: Examples, scores: NDArray[np.float64], n: int) -> list[dict[str, Any]]:
    """The `n` documents of a class with the highest scores, nearest to 0.5 and with the lowest."""
    # Ties by content, so that the order of the rows does not matter.
    digests = np.concatenate([hash64(chunk) for chunk in examples.texts.chunks])
    keys = {"highest": -scores, "borderline": np.abs(scores - 0.5), "lowest": scores}
    places = [(place, row) for place in PLACES for row in np.lexsort((digests, keys[place]))[:n].tolist()]
    return [
        {
            "class": name,
            "place": place,
            "score": float(scores[row]),
            "source": _at(examples.sources, row),
            "language": _at(examples.languages, row),
            "url": _at(examples.urls, row),
            "text": examples.texts[row].as_py()[:CHARACTERS],
        }
        for place, row in places
    ]


def _languages(model: QualityModel, classes: list[Examples]) -> list[dict[str, Any]]:
    """Held-out ROC AUC by language of its own and of the general classifier, None where a class has no document."""
    from sklearn.metrics import roc_auc_score

    rows = []
    for code, own in model.by_language.items():
        parts = [examples.select(examples.of_language(code)) for examples in classes]
        labels = np.repeat([1, 0], [len(part) for part in parts])
        aucs: list[float | None] = [None, None]
        if all(len(part) for part in parts):
            for place, classifier in enumerate((own, model.general)):
                scores = np.concatenate([classifier.score(part.texts) for part in parts])
                aucs[place] = float(roc_auc_score(labels, scores))
        rows.append(
            {
                "language": code,
                "kind": own.kind,
                "curated": len(parts[0]),
                "crawl": len(parts[1]),
                "own_roc_auc": aucs[0],
                "general_roc_auc": aucs[1],
            }
        )
    return rows


def _row(
    who: str, rule: str, crawl: float | None, curated: float | None, precision: float | None
) -> dict[str, Any]:
    return {
        "who": who,
        "rule": rule,
        "crawl": crawl,
        "curated": curated,
        "precision": precision,
        "told_by": "held out",
    }


def _at(column: Any, row: int) -> str | None:
    return None if column is None else column[row].as_py()
