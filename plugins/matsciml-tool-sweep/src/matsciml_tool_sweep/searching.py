"""The search itself: trials are chosen, run side by side, looked at, stopped, and recorded."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from matsciml_core.errors import TrainingError
from matsciml_core.files import read_object
from matsciml_core.training import after_fit
from matsciml_tool_sweep.space import combinations, shown
from matsciml_tool_sweep.study import Study
from matsciml_tool_sweep.sweep import Sweep
from matsciml_tool_sweep.trials import Trial, best_of
from matsciml_util_launchers.launcher import Launcher, Outcome
from matsciml_util_launchers.runs import (
    INTERRUPTED,
    failure_sentence,
    stoppable,
    wait_until_free,
)
from matsciml_util_pages.finished_runs import SUMMARY
from matsciml_util_pages.numbers import duration

LOOK_SECONDS = 0.5
"""Time between two looks at the validation curves of what runs."""
CLUSTER_JOBS = 4
"""Trials at a time where neither the user nor the launcher knows a number: the next settings are
chosen by what became of those before, so that all at once would choose blindly."""
_HOPELESS = 3
"""Trials that fail before any has finished after which the sweep ends."""
_SPARE = 0.03, 20.0
"""Share of the minutes, and most seconds, that are left for stopping runs and for the page."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a search ends."""

    trials: int
    """Trials in all, those of earlier calls included."""
    minutes: float | None = None
    """Minutes that this call may take."""


@dataclass
class Search:
    """One call's work on a sweep.

    Args:
        sweep: What is searched.
        study: Chooses settings, and remembers.
        launcher: Where trials run.
        limits: When the search ends.
        tell: Receives a sentence when a trial has ended.
        after_each: Called then, for example to write the page.
        started: When the time began, as ``time.monotonic()`` tells it.
    """

    sweep: Sweep
    study: Study
    launcher: Launcher
    limits: Limits
    tell: Callable[[str], object]
    after_each: Callable[[], object]
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Take up what an earlier call left."""
        self._left: list[Trial] = []
        self._running: dict[Any, Trial] = {}
        self._begun: dict[int, float] = {}
        self._hopeless: set[int] = set()
        self._looked = -math.inf
        self._metric = self.sweep.metric
        if self.launcher.jobs is None:
            self.launcher.jobs = CLUSTER_JOBS

    @property
    def time_left(self) -> float:
        """Seconds until what runs has to be stopped."""
        if self.limits.minutes is None:
            return math.inf
        seconds = 60.0 * self.limits.minutes
        share, most = _SPARE
        return self.started + seconds - min(share * seconds, most) - time.monotonic()

    def run(self) -> None:
        """Run trials until there are enough, the time is over, or nothing is left to be tried.

        Raises:
            ConfigError: The runs have no such metric.
            TrainingError: All trials fail.
            KeyboardInterrupt: The user pressed Ctrl-C; what ran was stopped, with a checkpoint
                where it had one.
        """
        with stoppable():
            for trial in self.study.trials():
                if trial.state == "running":
                    self._take_up(trial)
            with self.launcher:
                try:
                    self._loop()
                finally:
                    for trial in self._running.values():
                        self.study.interrupt(trial.number, self._seconds(trial))

    def _take_up(self, trial: Trial) -> None:
        """Wait for what an earlier call started, and go on with it if it has not finished."""
        sentence = f"trial {trial.number}: waiting for what an earlier call started to end."
        wait_until_free(self.sweep.lock(trial), lambda: self.tell(sentence))
        finished = self.sweep.finished_run(trial)
        if finished is not None and not after_fit.is_outstanding(finished):
            self._report(trial)
            self._finish(trial, 0.0)
        else:
            self._left.append(trial)

    def _loop(self) -> None:
        """Start, look at and conclude trials."""
        while True:
            while len(self._running) < (self.launcher.jobs or 1) and self._starts_another():
                pass
            if not self._running:
                return
            if self.time_left <= 0:
                self.tell("The time is over; what runs is stopped, and goes on with the sweep.")
                return
            ended = self.launcher.wait()
            for handle in ended:
                trial = self._running.pop(handle)
                outcome = self.launcher.outcome(handle, self.launcher.running.pop(handle))
                self._conclude(trial, outcome)
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._looked = time.monotonic()
                self._look()

    def _starts_another(self) -> bool:
        """Start the next trial, if there is one and time for it."""
        trials = self.study.trials()
        if self._left:
            trial: Trial | None = self._left.pop(0)
        elif len(trials) >= self.limits.trials or self.time_left <= _usual_seconds(trials):
            return False
        else:
            trial = self.study.ask()
        if trial is None:
            return False
        job = self.sweep.job(trial)
        handle = self.launcher.submit(job)
        self.launcher.running[handle] = job
        self._running[handle] = trial
        self._begun[trial.number] = time.monotonic()
        return True

    def _look(self) -> None:
        """Record the validation curves of what runs, and stop what is hopeless."""
        for handle, trial in self._running.items():
            if trial.number not in self._hopeless and self._report(trial):
                self._hopeless.add(trial.number)
                self.launcher.cancel(handle)

    def _report(self, trial: Trial) -> bool:
        """Record new epochs of a trial; return whether it was hopeless after one of them."""
        run = self.sweep.run(trial)
        curve = {} if run is None else self._metric.curve(run)
        known = self.study.trial(trial.number).curve
        hopeless = False
        # Each of them is compared: several may have passed between two looks.
        for epoch in (epoch for epoch in curve if epoch not in known):
            self.study.report(trial.number, epoch, curve[epoch])
            hopeless = hopeless or self.study.is_hopeless(trial.number)
        return hopeless

    def _conclude(self, trial: Trial, outcome: Outcome) -> None:
        """Record how a trial ended."""
        seconds = self._seconds(trial)
        self._report(trial)
        if outcome.code == 0 and self.sweep.finished_run(trial) is not None:
            self._finish(trial, seconds)
        elif trial.number in self._hopeless:
            self.study.prune(trial.number, seconds)
            ended = self.study.trial(trial.number)
            value = self._metric.text(ended.last)
            self._say(ended, f"stopped after {len(ended.curve)} epochs, {value}")
        elif outcome.code in INTERRUPTED:
            self.study.interrupt(trial.number, seconds)
            self._say(trial, "interrupted; it goes on with the next call.")
        else:
            reason = outcome.problem or failure_sentence(outcome.code, self.sweep.log(trial))
            self.study.fail(trial.number, reason, seconds)
            self._say(trial, f"failed: {reason} Log: {self.sweep.log(trial)}")
            self._require_a_chance(reason)
        self.after_each()

    def _finish(self, trial: Trial, seconds: float) -> None:
        """Record the metric of a trial that has finished."""
        run = self.sweep.finished_run(trial)
        value = None if run is None else self._metric.of_finished(run)
        if value is None:
            self.study.fail(trial.number, "Its metric is no finite number.", seconds)
            self._say(trial, "failed: its metric is no finite number.")
            return
        # The run knows how long it took, also under a call that was killed before it could say so.
        ran = float((read_object(run / SUMMARY) or {}).get("wall_seconds") or 0.0) if run else 0.0
        told = self.study.trial(trial.number).seconds
        self.study.finish(trial.number, value, max(seconds, ran - told))
        ended = self.study.trial(trial.number)
        best = best_of(self.study.trials(), self._metric)
        remark = ", the best so far" if best is not None and best.number == trial.number else ""
        self._say(ended, f"{self._metric.text(value)} in {duration(ended.seconds)}{remark}")

    def _say(self, trial: Trial, what: str) -> None:
        total = min(self.limits.trials, combinations(self.sweep.axes))
        done = sum(one.state != "running" for one in self.study.trials())
        settings = ", ".join(f"{key}={shown(value)}" for key, value in trial.settings.items())
        self.tell(f"[{done}/{total:.0f}] trial {trial.number} ({settings}): {what}")

    def _require_a_chance(self, reason: str) -> None:
        """End a sweep of which nothing works.

        Raises:
            TrainingError: Some trials have failed, and none has finished.
        """
        states = [trial.state for trial in self.study.trials()]
        if states.count("failed") >= _HOPELESS and not {"finished", "pruned"} & set(states):
            raise TrainingError(
                f"The first {states.count('failed')} trials failed and none has finished; the "
                f"last one says: {reason}"
            )

    def _seconds(self, trial: Trial) -> float:
        """Return how long a trial has run in this call, s."""
        begun = self._begun.get(trial.number)
        return 0.0 if begun is None else time.monotonic() - begun


def _usual_seconds(trials: list[Trial]) -> float:
    """Return how long a trial takes that is not stopped early, s; 0 where that is not known."""
    seconds = [trial.seconds for trial in trials if trial.state == "finished"]
    return statistics.median(seconds) if seconds else 0.0
