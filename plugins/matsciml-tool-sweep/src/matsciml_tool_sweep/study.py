"""The study: which settings are tried next, and the journal of what became of those before.

The one module that imports Optuna, which takes seconds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from matsciml_core.errors import DataError
from matsciml_core.files import cut, open_appending
from matsciml_tool_sweep.space import Axis, Choices, combinations
from matsciml_tool_sweep.trials import State, Trial

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",  # of which nothing is shown: it has no settings yet
}
_SECONDS, _SENTENCE, _REPEATED = "seconds", "sentence", "repeated"
_FEWEST = 4
"""Finished trials from which on it is estimated which settings matter."""
_UNPRUNED = 5
"""Trials that finish before any is stopped early: the median of fewer says little."""


class Study:
    """Chooses settings by a tree-structured Parzen estimator, and keeps a journal.

    Args:
        journal: The file; it is continued where it exists.
        axes: What is varied.
        larger_is_better: Whether the metric is to be as large as possible.
        seed: Seed of the choices.
        patience: Epochs that every trial has before it may be stopped; None: none is stopped.

    References:
        J. Bergstra et al., Advances in Neural Information Processing Systems 24 (2011); T. Akiba et
        al., Optuna, KDD (2019), doi:10.1145/3292500.3330701.
    """

    def __init__(
        self,
        journal: Path,
        axes: Sequence[Axis],
        *,
        larger_is_better: bool,
        seed: int,
        patience: int | None,
    ) -> None:
        """Open the journal.

        Raises:
            DataError: It is damaged.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.axes = {axis.key: axis for axis in axes}
        self.seed = seed
        _mend(journal)
        backend = JournalFileBackend(str(journal), JournalFileOpenLock(str(journal)))
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if patience is not None:
            pruner = optuna.pruners.MedianPruner(_UNPRUNED, n_warmup_steps=patience)
        try:
            self._storage = JournalStorage(backend)
            self._study = optuna.create_study(
                storage=self._storage,
                study_name="sweep",
                pruner=pruner,
                direction="maximize" if larger_is_better else "minimize",
                load_if_exists=True,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"The journal '{journal}' is damaged ({error}); move its folder away, and the "
                "sweep begins anew."
            ) from error
        for trial in self._study.get_trials(deepcopy=False):
            # Whoever chose its settings was killed before the last of them was written down.
            if trial.state is TrialState.RUNNING and not self._is_whole(trial):
                self._study.tell(trial.number, state=TrialState.FAIL)

    def trials(self) -> list[Trial]:
        """Return all trials, in the order in which they were chosen."""
        return [
            self._record(trial)
            for trial in self._study.get_trials(deepcopy=False)
            if self._is_whole(trial) and not trial.user_attrs.get(_REPEATED)
        ]

    def trial(self, number: int) -> Trial:
        """Return a trial as it stands."""
        return self._record(self._frozen(number))

    def ask(self) -> Trial | None:
        """Choose the settings of a new trial; None: all combinations have been tried.

        What is chosen depends on the seed and on the trials before it only, so that a sweep that
        was interrupted goes on as it would have.
        """
        before = self._study.get_trials(deepcopy=False)
        tried = {self._key(trial.params) for trial in before}
        number = len(before)
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        # Settings act together, such as a rate and a batch size, hence multivariate; and what still
        # runs counts as bad, so that trials side by side differ.
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, constant_liar=True
        )
        distributions = {key: _distribution(axis) for key, axis in self.axes.items()}
        size = combinations(list(self.axes.values()))
        if len(tried) >= size:
            return None
        trial = self._study.ask(distributions)
        if self._key(trial.params) in tried:
            # A repetition would teach nothing: an untried combination is taken instead.
            trial.set_user_attr(_REPEATED, True)
            self._study.tell(trial, state=TrialState.FAIL)
            left = [one for one in self._combinations() if self._key(one) not in tried]
            chosen = left[np.random.default_rng(seed).integers(len(left))]
            self._study.enqueue_trial(chosen)
            trial = self._study.ask(distributions)
        return self.trial(trial.number)

    def report(self, number: int, epoch: int, value: float) -> None:
        """Record the metric of a trial after an epoch; what is recorded already stays."""
        trial = self._frozen(number)
        if epoch not in trial.intermediate_values:
            self._storage.set_trial_intermediate_value(trial._trial_id, epoch, value)

    def is_hopeless(self, number: int) -> bool:
        """Return whether a trial is worse than the median of the others at the same epoch."""
        return self._study.pruner.prune(self._study, self._frozen(number))

    def finish(self, number: int, value: float, seconds: float) -> None:
        """Record that a trial has finished."""
        self._note(number, seconds)
        self._study.tell(number, value)

    def prune(self, number: int, seconds: float) -> None:
        """Record that a trial was stopped as hopeless."""
        self._note(number, seconds)
        self._study.tell(number, state=TrialState.PRUNED)

    def fail(self, number: int, sentence: str, seconds: float) -> None:
        """Record that a trial failed; it is not tried again."""
        self._note(number, seconds, sentence)
        self._study.tell(number, state=TrialState.FAIL)

    def interrupt(self, number: int, seconds: float) -> None:
        """Record how long a trial ran that goes on later."""
        self._note(number, seconds)

    def importances(self) -> dict[str, float]:
        """Return how much each setting matters for being among the best; nothing of few trials.

        Returns:
            Shares by setting, which sum to 1, the largest first (PED-ANOVA).

        References:
            S. Watanabe, A. Bansal, F. Hutter, IJCAI (2023), doi:10.24963/ijcai.2023/488.
        """
        finished = [trial for trial in self.trials() if trial.state == "finished"]
        if len(finished) < _FEWEST or len(self.axes) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                shares = optuna.importance.get_param_importances(self._study)
            except UserWarning:  # the best are all: what sets them apart cannot be told
                return {}
        return {key: float(share) for key, share in shares.items() if math.isfinite(share)}

    def _note(self, number: int, seconds: float, sentence: str = "") -> None:
        """Add to the time of a trial, and say why it failed."""
        trial = self._frozen(number)
        total = float(trial.user_attrs.get(_SECONDS, 0.0)) + seconds
        self._storage.set_trial_user_attr(trial._trial_id, _SECONDS, round(total, 3))
        if sentence:
            self._storage.set_trial_user_attr(trial._trial_id, _SENTENCE, sentence)

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    def _is_whole(self, trial: FrozenTrial) -> bool:
        """Return whether a trial has a value of each setting."""
        return self.axes.keys() <= trial.params.keys()

    def _record(self, trial: FrozenTrial) -> Trial:
        state = _STATES[trial.state]
        return Trial(
            number=trial.number,
            settings={key: self._value(key, trial.params[key]) for key in self.axes},
            state=state,
            value=trial.value if state == "finished" else None,
            curve=dict(trial.intermediate_values),
            seconds=float(trial.user_attrs.get(_SECONDS, 0.0)),
            sentence=str(trial.user_attrs.get(_SENTENCE, "")),
        )

    def _value(self, key: str, drawn: Any) -> Any:
        """Return the value of a setting; the journal has choices as they are written."""
        axis = self.axes[key]
        return axis.values[drawn] if isinstance(axis, Choices) else drawn

    def _key(self, params: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(params.get(key) for key in self.axes)

    def _combinations(self) -> list[dict[str, Any]]:
        """Return all combinations, of which there are finitely many."""
        values = [
            list(axis.values)
            if isinstance(axis, Choices)
            else list(range(int(axis.low), int(axis.high) + 1))
            for axis in self.axes.values()
        ]
        return [dict(zip(self.axes, one, strict=True)) for one in product(*values)]


def _distribution(axis: Axis) -> BaseDistribution:
    if isinstance(axis, Choices):
        return CategoricalDistribution(list(axis.values))
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _mend(journal: Path) -> None:
    """Put right what a process that was killed may have left; no other works with the journal.

    Optuna skips a torn last line when it reads, and then appends to it, after which nothing can be
    read; and it waits for a lock that nobody holds any more.
    """
    open_appending(journal).close()  # refuses a link, and makes the file where it is missing
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    content = journal.read_bytes()
    cut(journal, content.rfind(b"\n") + 1)
