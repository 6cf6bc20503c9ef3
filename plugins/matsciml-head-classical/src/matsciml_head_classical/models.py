"""What the heads fit: a forest, boosted trees, or a linear map."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, RidgeCV
from torch import Tensor, nn

from matsciml_head_classical.config import BoostingConfig, RidgeConfig, TreesConfig
from matsciml_head_classical.forest import Forest, Tree

_MEMORY = 1 << 28
"""Bytes that the values of the nodes of scikit-learn's trees may take before they are converted."""
_SMALLEST = 1e-12
"""Smallest probability, whose logarithm is finite."""
_PENALTIES = np.logspace(-2, 4, 13)
"""Penalties that are tried where none is set, half a decade apart; of classes every third."""

Floats = NDArray[np.floating]


class Model(nn.Module, ABC):
    """A model of numbers (z-scores) or of classes, without gradient steps.

    Args:
        classes: Number of classes; 0 for numbers.
    """

    def __init__(self, classes: int) -> None:
        """Keep the number of classes."""
        super().__init__()
        self.classes = classes

    @property
    @abstractmethod
    def is_fitted(self) -> bool:
        """Whether it can predict."""

    @abstractmethod
    def solve(self, features: Floats, labels: NDArray[Any], seed: int) -> None:
        """Fit.

        Args:
            features: ``(crystals, width)`` float32, dimensionless.
            labels: Z-scores or class indices, ``(crystals,)``, dimensionless.
            seed: Of what is drawn at random.
        """

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Predict.

        Args:
            features: ``(crystals, width)``, dimensionless.

        Returns:
            Z-scores ``(crystals, 1)``, or logarithms of the probabilities of all classes,
            ``(crystals, classes)``; float64, dimensionless.
        """

    def spread(self, features: Tensor) -> Tensor | None:
        """Return a standard deviation for each z-score, ``(crystals,)``; None: none is known.

        Args:
            features: ``(crystals, width)``, dimensionless.
        """
        return None


class ForestModel(Model):
    """Trees that were grown independently; the prediction is their mean.

    Of numbers half the trees grow on the labels, and half on what a ridge regression of them leaves
    and add to it. Trees do not go on beyond what they have seen, and approach a slope by steps; a
    linear map does both, and is wrong wherever nature is not linear. Each makes errors that the
    other does not, so that the mean of both is better than either, which was measured from 100 to
    3,146 crystals.

    Args:
        config: Settings.
        classes: Number of classes; 0 for numbers.
        width: Number of features.

    References:
        Geurts, Ernst, Wehenkel, Extremely randomized trees, Machine Learning 63, 3 (2006).
        Breiman, Random forests, Machine Learning 45, 5 (2001).
        Zhang, Nettleton, Zhu, Regression-enhanced random forests, arXiv:1904.10416 (2019), for
        trees on residuals; there all of them grow on these.
    """

    bounds: Tensor
    """Smallest and largest label, between which the linear map is kept, ``(2,)`` float64,
    dimensionless."""

    def __init__(self, config: TreesConfig, classes: int, width: int) -> None:
        """Begin without trees."""
        super().__init__(classes)
        self.settings = config
        self.forest = Forest()
        self.linear: RidgeModel | None = None
        if not classes and config.ridge_penalty is not None:
            self.linear = RidgeModel(RidgeConfig(), 0, width)
            self.register_buffer("bounds", torch.zeros(2, dtype=torch.float64))

    @property
    def is_fitted(self) -> bool:
        """Whether there are trees."""
        return self.forest.is_grown

    def solve(self, features: Floats, labels: NDArray[Any], seed: int) -> None:
        """Grow the trees, on all threads that torch may use.

        Args:
            features: ``(crystals, features)``, in the encoder's units.
            labels: ``(crystals,)``, normalised and dimensionless, or indices of classes.
            seed: Of whatever is drawn.
        """
        number = self.settings.trees
        if self.linear is None or self.settings.ridge_penalty is None:
            self.forest.grow(self._grown(features, labels, number, seed))
            return
        # For each crystal: the sum of squares that it is weighed against grows with their number.
        penalty = self.settings.ridge_penalty * len(labels)
        self.linear.settings = RidgeConfig(penalty=penalty)
        self.linear.solve(features, labels, seed)
        self.bounds.copy_(torch.tensor([labels.min(), labels.max()]))
        rest = labels - self._linear(self.linear, torch.from_numpy(features)).numpy()
        # The second half has seeds of its own, or it would draw as the first one does.
        half = number // 2
        trees = self._grown(features, labels, number - half, seed)
        self.forest.grow(trees + self._grown(features, rest, half, seed + number))

    def _grown(self, features: Floats, labels: NDArray[Any], number: int, seed: int) -> list[Tree]:
        """Return so many trees for labels; arguments as of ``solve``."""
        settings = self.settings
        extra = settings.method == "extra-trees"
        if self.classes:
            make = ExtraTreesClassifier if extra else RandomForestClassifier
        else:
            make = ExtraTreesRegressor if extra else RandomForestRegressor
        # scikit-learn keeps a number for each class in each node, which are many of 230 groups.
        size = 2 * len(labels) * max(self.classes, 1) * 8
        most = max(_MEMORY // size, 1)
        trees: list[Tree] = []
        while len(trees) < number:
            grown = make(
                n_estimators=min(most, number - len(trees)),
                max_features=settings.max_features,
                min_samples_leaf=settings.min_samples_leaf,
                random_state=seed + len(trees),
                n_jobs=torch.get_num_threads(),
            ).fit(features, labels)
            present = grown.classes_ if self.classes else None
            trees += [self._tree(estimator.tree_, present) for estimator in grown.estimators_]
        return trees

    def _tree(self, tree: Any, present: NDArray[Any] | None) -> Tree:
        value = tree.value[:, 0, :]  # (nodes, outputs)
        if present is not None:  # classes that no training crystal has are left out there
            value, narrow = np.zeros((len(value), self.classes)), value
            value[:, present] = narrow / narrow.sum(axis=1, keepdims=True)
        left, right = tree.children_left, tree.children_right
        return Tree.walked(left, right, tree.feature, tree.threshold, value)

    def _linear(self, linear: RidgeModel, features: Tensor) -> Tensor:
        """Return the linear map within the bounds, z-scores ``(crystals,)``.

        A crystal unlike all others may lie far out on a slope, where no label ever was.
        """
        lowest, highest = self.bounds
        return linear(features)[:, 0].clamp(lowest, highest)

    def _numbers(self, features: Tensor) -> Tensor:
        """Return what each tree says, z-scores ``(crystals, trees)``."""
        values = self.forest(features)[..., 0]
        if self.linear is not None:
            half = values.shape[1] - values.shape[1] // 2
            values[:, half:] += self._linear(self.linear, features)[:, None]
        return values

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean over the trees.

        Args:
            features: ``(crystals, features)``, in the encoder's units.
        """
        if not self.classes:
            return self._numbers(features).mean(dim=1, keepdim=True)
        return self.forest(features).mean(dim=1).clamp(min=_SMALLEST).log()

    def spread(self, features: Tensor) -> Tensor | None:
        """Return the standard deviation over the trees; of classes there is none.

        Args:
            features: ``(crystals, features)``, in the encoder's units.
        """
        return None if self.classes else self._numbers(features).std(dim=1, correction=0)


class BoostingModel(Model):
    """Trees that each correct those before them; the prediction is their sum.

    References:
        Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics
        29, 1189 (2001). Ke et al., LightGBM, Advances in Neural Information Processing Systems 30
        (2017), for the histograms.
    """

    start: Tensor
    """What the first trees correct, ``(outputs,)`` float64, dimensionless."""

    def __init__(self, config: BoostingConfig, classes: int) -> None:
        """Begin without trees."""
        super().__init__(classes)
        self.settings = config
        self.outputs = classes if classes > 2 else 1
        self.forest = Forest()
        self.register_buffer("start", torch.zeros(self.outputs, dtype=torch.float64))

    @property
    def is_fitted(self) -> bool:
        """Whether there are trees."""
        return self.forest.is_grown

    def solve(self, features: Floats, labels: NDArray[Any], seed: int) -> None:
        """Grow the trees.

        Args:
            features: ``(crystals, features)``, in the encoder's units.
            labels: ``(crystals,)``, normalised and dimensionless, or indices of classes.
            seed: Of whatever is drawn.
        """
        # No early stopping, which would keep a tenth of the training crystals from the trees.
        make = HistGradientBoostingClassifier if self.classes else HistGradientBoostingRegressor
        fitted = make(
            max_iter=self.settings.iterations,
            learning_rate=self.settings.learning_rate,
            max_leaf_nodes=self.settings.leaves,
            min_samples_leaf=self.settings.min_samples_leaf,
            early_stopping=False,
            random_state=seed,
        ).fit(features, labels)
        present = fitted.classes_ if self.outputs > 1 else np.zeros(1, dtype=np.int64)
        if self.outputs > 1 and len(present) == 2:  # one logit, that of the second
            present = present[1:]
        # A class that no training crystal has stays as unlikely as can be told.
        self.start.fill_(np.log(_SMALLEST) if self.outputs > 1 else 0.0)
        if self.outputs > 1 and len(fitted.classes_) == 2:
            self.start[int(fitted.classes_[0])] = 0.0
        self.start[present.tolist()] = torch.tensor(fitted._baseline_prediction).view(-1)
        self.forest.grow(
            [
                self._tree(predictor.nodes, int(output))
                for round_ in fitted._predictors
                for output, predictor in zip(present, round_, strict=True)
            ]
        )

    def _tree(self, nodes: Any, output: int) -> Tree:
        value = np.zeros((len(nodes), self.outputs))
        value[:, output] = nodes["value"]
        feature = np.where(nodes["is_leaf"] == 1, -1, nodes["feature_idx"])
        return Tree.walked(nodes["left"], nodes["right"], feature, nodes["num_threshold"], value)

    def forward(self, features: Tensor) -> Tensor:
        """Return the sum over the trees, for classes as logarithms of probabilities.

        Args:
            features: ``(crystals, features)``, in the encoder's units.
        """
        total = self.start + self.forest(features).sum(dim=1)
        if not self.classes:
            return total
        if self.outputs == 1:  # the logit of the second class
            total = torch.cat((torch.zeros_like(total), total), dim=1)
        return total.log_softmax(dim=1)


class RidgeModel(Model):
    """A linear map of standardised features, with a penalty on its squared coefficients.

    References:
        Hoerl, Kennard, Ridge regression, Technometrics 12, 55 (1970).
    """

    weight: Tensor
    """Coefficients, ``(outputs, width)`` float64, dimensionless."""
    bias: Tensor
    """``(outputs,)`` float64, dimensionless."""

    def __init__(self, config: RidgeConfig, classes: int, width: int) -> None:
        """Begin with zeros."""
        super().__init__(classes)
        self.settings = config
        self.register_buffer("weight", torch.zeros(max(classes, 1), width, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(max(classes, 1), dtype=torch.float64))

    @property
    def is_fitted(self) -> bool:
        """Whether there is a coefficient."""
        return bool(self.weight.any())

    def solve(self, features: Floats, labels: NDArray[Any], seed: int) -> None:
        """Standardise the features, fit, and fold the scale into the coefficients.

        Args:
            features: ``(crystals, features)``, in the encoder's units.
            labels: ``(crystals,)``, normalised and dimensionless, or indices of classes.
            seed: Of whatever is drawn.
        """
        wide = features.astype(np.float64)
        mean, deviation = wide.mean(axis=0), wide.std(axis=0)
        # A feature that is the same for all crystals has nothing to say.
        scale = np.where(deviation > 1e-9 * (1.0 + np.abs(mean)), deviation, np.inf)
        scaled = (wide - mean) / scale
        weight, bias, rows = self._coefficients(scaled, labels)
        weight = weight / scale
        self.weight.zero_()
        # A class that no training crystal has is as unlikely as can be told.
        self.bias.fill_(np.log(_SMALLEST))
        self.bias[np.unique(labels).tolist() if self.classes else [0]] = 0.0
        device = self.weight.device
        self.weight[rows] = torch.tensor(weight, device=device)
        self.bias[rows] = torch.tensor(bias - weight @ mean, device=device)

    def _coefficients(
        self, features: Floats, labels: NDArray[Any]
    ) -> tuple[Floats, Floats, list[int]]:
        """Return coefficients and intercepts, and the outputs that they belong to."""
        penalty = self.settings.penalty
        if not self.classes:
            ridge = RidgeCV(_PENALTIES) if penalty is None else Ridge(penalty)
            ridge.fit(features, labels)
            return ridge.coef_[None], np.atleast_1d(ridge.intercept_), [0]
        rare = np.unique(labels, return_counts=True)[1].min() < 5  # five folds want five of each
        with warnings.catch_warnings():
            # Where the search has not ended, the best so far is as good as another penalty.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", FutureWarning)
            model: Any = (
                LogisticRegression(C=1.0 / (penalty or 1.0), max_iter=500)
                if penalty is not None or rare
                else LogisticRegressionCV(Cs=1.0 / _PENALTIES[::3], cv=5, max_iter=300)
            )
            model.fit(features, labels)
        present = [int(one) for one in model.classes_]
        return model.coef_, model.intercept_, present[1:] if len(present) == 2 else present

    def forward(self, features: Tensor) -> Tensor:
        """Return the linear map, for classes as logarithms of probabilities.

        Args:
            features: ``(crystals, features)``, in the encoder's units.
        """
        total = features.to(torch.float64) @ self.weight.T + self.bias
        return total.log_softmax(dim=1) if self.classes else total
