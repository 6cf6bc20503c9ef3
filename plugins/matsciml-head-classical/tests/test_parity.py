"""What is saved predicts what scikit-learn predicts, for every kind of label."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import make_classification, make_friedman1
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from matsciml_head_classical import models
from matsciml_head_classical.config import BoostingConfig, RidgeConfig, TreesConfig
from matsciml_head_classical.models import BoostingModel, ForestModel, RidgeModel

SEED = 3


def numbers(rows=300):
    features, labels = make_friedman1(rows, n_features=12, noise=0.1, random_state=0)
    return features.astype(np.float32), labels


def classes(number, rows=300):
    features, labels = make_classification(
        rows, 12, n_informative=6, n_classes=number, flip_y=0.1, random_state=0
    )
    return features.astype(np.float32), labels


def predicted(model, features):
    return model(torch.tensor(features)).numpy()


@pytest.mark.parametrize(
    ("method", "reference"),
    [("extra-trees", ExtraTreesRegressor), ("random-forest", RandomForestRegressor)],
)
def test_a_forest_of_numbers(method, reference):
    features, labels = numbers()
    model = ForestModel(TreesConfig(method=method, trees=25, ridge_penalty=None), 0, 12)
    model.solve(features, labels, SEED)
    known = reference(25, max_features=0.33, random_state=SEED).fit(features, labels)
    unseen, _ = numbers(500)
    np.testing.assert_allclose(predicted(model, unseen)[:, 0], known.predict(unseen), rtol=1e-12)
    each = np.stack([one.predict(unseen) for one in known.estimators_])
    np.testing.assert_allclose(model.spread(torch.tensor(unseen)), each.std(axis=0), atol=1e-9)


def test_half_of_a_forest_of_numbers_grows_on_what_a_ridge_regression_leaves():
    features, labels = numbers()
    model = ForestModel(TreesConfig(trees=25), 0, 12)
    model.solve(features, labels, SEED)
    known = make_pipeline(StandardScaler(), Ridge(0.1 * len(labels)))
    known.fit(features.astype(np.float64), labels)
    unseen = 3.0 * numbers(500)[0]  # beyond the training set, so that the bounds matter
    slope = predicted(model.linear, unseen)[:, 0]
    np.testing.assert_allclose(slope, known.predict(unseen.astype(np.float64)), rtol=1e-9)
    inside = partial(np.clip, a_min=labels.min(), a_max=labels.max())
    assert (slope != inside(slope)).any()
    # Of its own map: another rounding would cut some tree elsewhere.
    rest = labels - inside(predicted(model.linear, features)[:, 0])
    alone, added = (
        ExtraTreesRegressor(count, max_features=0.33, random_state=seed).fit(features, values)
        for count, values, seed in ((13, labels, SEED), (12, rest, SEED + 25))
    )
    alone, added = (
        np.stack([tree.predict(unseen) for tree in one.estimators_]) for one in (alone, added)
    )
    each = np.concatenate((alone, added + inside(slope)))
    np.testing.assert_allclose(predicted(model, unseen)[:, 0], each.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(model.spread(torch.tensor(unseen)), each.std(axis=0), atol=1e-9)


@pytest.mark.parametrize("trees", [1, 2])
def test_a_forest_of_few_trees_of_one_crystal_says_its_label(trees):
    model = ForestModel(TreesConfig(trees=trees), 0, 12)
    model.solve(numbers()[0][:1], np.array([0.5]), SEED)
    np.testing.assert_allclose(predicted(model, numbers()[0]), 0.5)


@pytest.mark.parametrize("number", [2, 5])
def test_a_forest_of_classes(number):
    features, labels = classes(number)
    model = ForestModel(TreesConfig(trees=25, min_samples_leaf=3), number, 12)
    model.solve(features, labels, SEED)
    known = ExtraTreesClassifier(25, max_features=0.33, min_samples_leaf=3, random_state=SEED)
    known.fit(features, labels)
    found = np.exp(predicted(model, features))
    np.testing.assert_allclose(found, known.predict_proba(features), atol=1e-11)


def test_a_forest_that_is_grown_in_parts_keeps_to_the_memory(monkeypatch):
    monkeypatch.setattr(models, "_MEMORY", 2 * 300 * 5 * 8 * 4)  # four trees at a time
    features, labels = classes(5)
    model = ForestModel(TreesConfig(trees=10), 5, 12)
    model.solve(features, labels, SEED)
    assert len(model.forest.root) == 10
    assert np.mean(predicted(model, features).argmax(axis=1) == labels) > 0.99


def test_values_on_a_threshold_go_left_as_in_scikit_learn():
    # Neighbouring numbers of single precision: their middle cannot be told from either.
    base = np.float32(1.0)
    features = np.array([[base], [np.nextafter(base, np.float32(2))]] * 4)
    labels = np.array([0.0, 1.0] * 4)
    config = TreesConfig(trees=9, method="random-forest", max_features=1.0, ridge_penalty=None)
    model = ForestModel(config, 0, 1)
    model.solve(features, labels, SEED)
    known = RandomForestRegressor(9, max_features=1.0, random_state=SEED).fit(features, labels)
    np.testing.assert_allclose(predicted(model, features)[:, 0], known.predict(features))


def test_boosting_of_numbers():
    features, labels = numbers()
    model = BoostingModel(BoostingConfig(iterations=40), 0)
    model.solve(features, labels, SEED)
    known = HistGradientBoostingRegressor(max_iter=40, early_stopping=False, random_state=SEED).fit(
        features, labels
    )
    unseen, _ = numbers(500)
    np.testing.assert_allclose(predicted(model, unseen)[:, 0], known.predict(unseen), rtol=1e-9)


@pytest.mark.parametrize("number", [2, 5])
def test_boosting_of_classes(number):
    features, labels = classes(number)
    model = BoostingModel(BoostingConfig(iterations=20), number)
    model.solve(features, labels, SEED)
    known = HistGradientBoostingClassifier(
        max_iter=20, early_stopping=False, random_state=SEED
    ).fit(features, labels)
    found = np.exp(predicted(model, features))
    np.testing.assert_allclose(found, known.predict_proba(features), atol=1e-9)


def test_ridge_of_numbers():
    features, labels = numbers()
    model = RidgeModel(RidgeConfig(), 0, 12)
    model.solve(features, labels, SEED)
    wide = features.astype(np.float64)
    known = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))).fit(wide, labels)
    np.testing.assert_allclose(predicted(model, features)[:, 0], known.predict(wide), rtol=1e-9)


@pytest.mark.parametrize("number", [2, 4])
def test_ridge_of_classes(number):
    features, labels = classes(number)
    model = RidgeModel(RidgeConfig(penalty=2.0), number, 12)
    model.solve(features, labels, SEED)
    wide = features.astype(np.float64)
    known = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=500))
    known.fit(wide, labels)
    found = np.exp(predicted(model, features))
    np.testing.assert_allclose(found, known.predict_proba(wide), atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        ForestModel(TreesConfig(trees=10), 6, 12),
        BoostingModel(BoostingConfig(iterations=5), 6),
        RidgeModel(RidgeConfig(), 6, 12),
    ],
    ids=["trees", "boosting", "ridge"],
)
@pytest.mark.parametrize("present", [(1, 4), (0, 2, 5)])
def test_classes_that_no_training_crystal_has_are_never_likely(model, present):
    features, labels = classes(len(present))
    model.solve(features, np.array(present)[labels], SEED)
    shares = np.exp(predicted(model, features))
    absent = [k for k in range(6) if k not in present]
    assert shares[:, absent].max() < 1e-6
    assert np.mean(shares.argmax(axis=1) == np.array(present)[labels]) > 0.6


def test_a_constant_feature_says_nothing():
    features, labels = numbers()
    features[:, 0] = 7.0
    model = RidgeModel(RidgeConfig(), 0, 12)
    model.solve(features, labels, SEED)
    changed = features.copy()
    changed[:, 0] = 1e6
    np.testing.assert_allclose(predicted(model, changed), predicted(model, features))
