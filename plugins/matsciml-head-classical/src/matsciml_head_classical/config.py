"""Settings of the classical heads."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from matsciml_core import Config


class ClassicalConfig(Config):
    """Settings that every classical head has."""

    features: Literal["crystal", "atoms", "both"] = "crystal"
    """What is read of an embedding: that of the crystal; mean and standard deviation over the atoms
    of that of its atoms; or both."""


class TreesConfig(ClassicalConfig):
    """Settings of the forest."""

    method: Literal["extra-trees", "random-forest"] = "extra-trees"
    """``extra-trees`` cut at random places, ``random-forest`` at the best ones."""
    trees: PositiveInt = 100
    """Number of trees."""
    max_features: float = Field(default=0.33, gt=0, le=1)
    """Share of the features that are tried at each cut."""
    min_samples_leaf: PositiveInt = 1
    """Fewest training crystals in a leaf."""
    ridge_penalty: PositiveFloat | None = 0.1
    """Numbers: penalty, for each training crystal, of the ridge regression of standardised features
    on whose residuals half the trees grow; empty: all grow on the labels."""


class BoostingConfig(ClassicalConfig):
    """Settings of gradient boosting."""

    iterations: PositiveInt = 300
    """Number of rounds; each adds a tree, or one for each of several classes."""
    learning_rate: PositiveFloat = 0.1
    """Share of each tree's prediction that is added."""
    leaves: int = Field(default=31, ge=2)
    """Most leaves of a tree."""
    min_samples_leaf: PositiveInt = 20
    """Fewest training crystals in a leaf."""


class RidgeConfig(ClassicalConfig):
    """Settings of ridge regression."""

    penalty: PositiveFloat | None = None
    """Penalty on the squared coefficients of standardised features; empty: the best of 13 from 0.01
    to 10,000, by leaving out each crystal in turn (numbers) or by five folds (classes)."""
