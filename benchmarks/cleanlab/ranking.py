"""Cleanlab's ranking of labels, by cross-validated probabilities of two models on the vectors.

    python ranking.py IN.npz OUT.npz

IN holds `vectors` [N, n] and `labels` [R, N], each row of them the labels of one trial. OUT gets "MODEL, SCORE": int64
[R, N], rows from the most to the least doubtful. Models: logistic regression, with and without standardising the
vectors, and ten nearest neighbours, each in five stratified folds. Scores: self-confidence, which is cleanlab's
default, and its normalised margin.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SCORES = ("self_confidence", "normalized_margin")
FOLDS = 5


def models() -> dict[str, Any]:
    return {
        "logistic": LogisticRegression(max_iter=400),
        "logistic, standardised": make_pipeline(StandardScaler(), LogisticRegression(max_iter=400)),
        "10 neighbours": KNeighborsClassifier(10),
    }


def probabilities(model: Any, vectors: Any, codes: Any) -> Any:
    """Out of fold: [N, C]; a class that is missing from a fold has probability 0 there."""
    found = np.zeros((len(codes), int(codes.max()) + 1))
    for train, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(vectors, codes):
        fitted = model.fit(vectors[train], codes[train])
        found[np.ix_(held_out, fitted.classes_)] = fitted.predict_proba(vectors[held_out])
    return found


def main(source: str, target: str) -> None:
    warnings.simplefilter("ignore")  # classes of fewer rows than folds
    given = np.load(source)
    rankings: dict[str, list[Any]] = {}
    for labels in given["labels"]:
        codes = np.unique(labels, return_inverse=True)[1]
        for name, model in models().items():
            chances = probabilities(model, given["vectors"], codes)
            for score in SCORES:
                quality = get_label_quality_scores(codes, chances, method=score)
                rankings.setdefault(f"{name}, {score}", []).append(np.argsort(quality, kind="stable"))
    np.savez(target, **{name: np.stack(each) for name, each in rankings.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
