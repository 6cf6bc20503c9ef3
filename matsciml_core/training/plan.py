"""How far a run is at each of its steps, also where its length is chosen while it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matsciml_core.training.config import TrainingConfig

MOST_WARM_UP = 0.3
"""Largest share of the steps that a warm-up may take."""


@dataclass(kw_only=True)
class Plan:
    """Number of steps of a run, and the share of them that is done.

    A run of a fixed length has one revision, at step 0. A run that fits a budget of time has none
    at first, and adds those that its measurements ask for. What is done stays done: after a
    revision the rest of the schedule spreads over the rest of the steps, without a jump.
    """

    warm_up: float
    """Steps of the warm-up, unless that is more than 30 % of all; infinite: exactly 30 %."""
    revisions: list[tuple[int, int]] = field(default_factory=list)
    """The step at which the length was chosen, and the steps of the whole run as of then."""
    lowered: int = 0
    """Times that ``plateau`` has lowered the learning rate so far."""

    @classmethod
    def of(cls, settings: TrainingConfig, steps_per_epoch: int) -> Plan:
        """Return the plan that the settings of a run ask for; open where its minutes are fixed.

        Args:
            settings: With length, schedule and warm-up.
            steps_per_epoch: Steps of the optimiser in an epoch.
        """
        share = settings.schedule in ("one-cycle", "constant")
        warm_up = math.inf if share else settings.warm_up * steps_per_epoch
        fixed = [] if settings.minutes is not None else [(0, settings.epochs * steps_per_epoch)]
        return cls(warm_up=warm_up, revisions=[*settings.plan] or fixed)

    @property
    def steps(self) -> int | None:
        """Steps of the whole run; None: not chosen yet."""
        return self.revisions[-1][1] if self.revisions else None

    def revise(self, step: int, steps: int) -> None:
        """Choose the number of steps anew.

        Args:
            step: Steps made so far.
            steps: Steps of the whole run, at least ``step``.
        """
        self.revisions.append((step, max(steps, step)))

    def progress(self, step: int) -> tuple[float, float]:
        """Return how far warm-up and fall of the learning rate are.

        Args:
            step: Steps made so far.

        Returns:
            Share of the warm-up, above 1 when it is over; share of the rest, from 0 to 1.
        """
        # As long as the length is open, only the warm-up is known. The rate of the step at which
        # the length was chosen had been set before.
        pieces: list[tuple[int, int | None]] = [(0, None)]
        pieces += [(start, steps) for start, steps in self.revisions if start < step]
        ends = [start for start, _ in pieces[1:]] + [step]
        risen, since, warm_up, fall = 0.0, 0.0, self.warm_up, 0.0
        for (start, steps), end in zip(pieces, ends, strict=True):
            length = self.warm_up if steps is None else min(self.warm_up, MOST_WARM_UP * steps)
            if length != warm_up:  # what has risen stays; the rest rises at another speed
                risen = min(risen + (start - since) / warm_up, 1.0)
                since, warm_up = float(start), length
            first = max(float(start), since + (1.0 - risen) * warm_up)
            if steps is not None and end > first:
                left = steps - first
                fall += (1.0 - fall) * min((end - first) / left, 1.0) if left > 0 else 1.0 - fall
        return (risen + (step - since) / warm_up if warm_up > 0 else math.inf), fall
