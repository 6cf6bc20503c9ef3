"""Run a component's checks and say which of them did not pass."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from matsciml_core.testing import Scorecard, run_checks, subject_of


@dataclass
class Outcome:
    """A scorecard, by the names of its checks."""

    scorecard: Scorecard

    @property
    def failed(self):
        return {row.check for row in self.scorecard.of("failed")}

    @property
    def warned(self):
        return {row.check for row in self.scorecard.of("warning")}

    @property
    def skipped(self):
        return {row.check for row in self.scorecard.of("skipped")}

    def row(self, check):
        return next(row for row in self.scorecard.rows if row.check == check)


@pytest.fixture
def outcome():
    """Check a component against a spec; the class replaces the one that the spec names."""

    def run(spec, component=None, *, options=None, quick=True):
        return Outcome(run_checks(subject_of(spec, options, component=component, quick=quick)))

    return run
