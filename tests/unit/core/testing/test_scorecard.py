"""Rows, scorecards, and the page that explains the checks."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from matsciml_core import CommandSpec
from matsciml_core.errors import ConfigError
from matsciml_core.testing import (
    CHECKS,
    Broken,
    Doubtful,
    Measured,
    NotApplicable,
    examples,
    reference_markdown,
    run_checks,
    subject_of,
    tolerances,
)
from matsciml_core.testing.checks import SEED, Row, Worst, check, seeded
from matsciml_core.testing.subject import Subject, stir_zeros
from matsciml_core.testing.tolerances import EXACT, SENSITIVITY, SYMMETRY, Tolerance

EVERY = [one for checks in CHECKS.values() for one in checks]
TOLERANCES = [one for one in vars(tolerances).values() if isinstance(one, Tolerance)]


@pytest.fixture
def subject():
    return Subject(spec=examples.ENCODER, component=object)


def make(function, **settings):
    function.__doc__ = "Something holds.\n\nMeasured: it.\n\nWhy: it matters."
    return check("encoder", **settings)(function)


class TestCheck:
    def test_a_number_within_its_tolerance_passes(self, subject):
        def small(_):
            return Measured(1e-12)

        row = make(small, tolerance=SYMMETRY).run(subject)
        assert (row.result, row.measured, row.tolerance) == ("passed", "1e-12", "≤ 1e-09")
        assert row.explanation == row.promise == "Something holds."

    @pytest.mark.parametrize("value", [1e-3, float("nan"), float("inf")])
    def test_a_number_beyond_it_fails_with_its_place(self, subject, value):
        def large(_):
            return Measured(value, "in NaCl")

        row = make(large, tolerance=SYMMETRY).run(subject)
        assert row.result == "failed"
        assert f"is {value:.2g} (in NaCl), allowed is ≤ 1e-09." in row.explanation

    def test_some_numbers_must_be_large(self, subject):
        def changes(_):
            return Measured(0.0)

        row = make(changes, tolerance=SENSITIVITY).run(subject)
        assert (row.result, row.tolerance) == ("failed", "≥ 1e-06")

    @pytest.mark.parametrize(
        ("raised", "result"),
        [
            (Broken("found", measured="5"), "failed"),
            (Doubtful("found", measured="5"), "warning"),
            (NotApplicable("found"), "skipped"),
        ],
    )
    def test_what_a_check_raises_decides(self, subject, raised, result):
        def raises(_):
            raise raised

        row = make(raises).run(subject)
        assert (row.result, row.explanation) == (result, "found")
        assert row.measured == ("" if result == "skipped" else "5")

    @pytest.mark.parametrize(
        ("error", "explanation"),
        [
            (ValueError("first\nsecond"), "ValueError: first"),
            (ValueError(), "ValueError was raised, without a message."),
            (
                KeyError("Caught KeyError in worker.\nTraceback:\n  a.b.KeyError: 'x'"),
                'KeyError: "Caught KeyError in worker.',
            ),
            (RuntimeError("Caught E in worker.\nTraceback:\n  a.b.E: no file"), "E: no file"),
        ],
    )
    def test_any_other_exception_is_a_failure_in_one_line(self, subject, error, explanation):
        def raises(_):
            raise error

        row = make(raises).run(subject)
        assert row.result == "failed"
        assert row.explanation.startswith(explanation)
        assert "\n" not in row.explanation

    def test_text_is_what_was_seen(self, subject):
        def sees(_):
            return "58 edges"

        row = make(sees).run(subject)
        assert (row.result, row.measured, row.tolerance) == ("passed", "58 edges", "")

    def test_a_slow_check_is_left_out_of_a_quick_run(self, subject):
        def slow(_):
            raise AssertionError

        row = make(slow, slow=True).run(replace(subject, quick=True))
        assert (row.result, row.explanation) == ("skipped", "Left out of a quick check.")

    def test_a_number_without_a_tolerance_is_a_mistake_of_the_kit(self, subject):
        def number(_):
            return Measured(1.0)

        with pytest.raises(TypeError, match="give it a tolerance"):
            make(number).run(subject)

    def test_random_numbers_repeat_and_leave_no_trace(self, subject):
        drawn = []

        def draws(_):
            drawn.append((random.random(), np.random.random(), torch.rand(()).item()))  # noqa: NPY002

        before = torch.get_rng_state(), random.getstate()
        make(draws).run(subject)
        make(draws).run(subject)
        assert drawn[0] == drawn[1]
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]

    def test_seeding_ends_with_an_error_too(self):
        before, within = torch.get_rng_state(), []

        def fail():
            with seeded():
                within.append(torch.initial_seed())
                raise ValueError("inside")

        with pytest.raises(ValueError, match="inside"):
            fail()
        assert within == [SEED]
        assert torch.equal(torch.get_rng_state(), before)


class TestWorst:
    def test_it_keeps_the_largest(self):
        worst = Worst()
        for value, where in ((1.0, "a"), (3.0, "b"), (2.0, "c")):
            worst.add(value, where)
        assert worst.found == Measured(3.0, "b")

    def test_nan_is_larger_than_everything(self):
        worst = Worst()
        for value in (1.0, float("nan"), 2.0):
            worst.add(value, "here")
        assert math.isnan(worst.found.value)

    def test_without_a_number_it_is_zero(self):
        assert Worst().found == Measured(0.0)


class TestTolerances:
    @pytest.mark.parametrize("tolerance", TOLERANCES, ids=lambda one: one.quantity[:30])
    def test_each_has_a_reason_and_is_no_stricter_in_float32(self, tolerance):
        assert tolerance.reason.endswith(".")
        assert tolerance.float64 <= tolerance.float32
        assert 0 <= tolerance.float64 < 0.1

    def test_the_precision_decides(self):
        assert SYMMETRY.of(torch.float64) == 1e-9
        assert SYMMETRY.of(torch.float32) == 1e-4
        assert SYMMETRY.show(torch.float32) == "≤ 0.0001"

    def test_nan_is_never_accepted(self):
        for tolerance in (SYMMETRY, SENSITIVITY, EXACT):
            assert not tolerance.accepts(float("nan"), torch.float64)


@pytest.fixture(scope="module")
def scorecard():
    return run_checks(subject_of(examples.STRATEGY))


class TestScorecard:
    def test_it_counts(self, scorecard):
        assert scorecard.passed
        assert scorecard.summary() == "15 passed, 0 failed, 3 skipped"
        assert len(scorecard.of("passed")) == 15

    def test_failures_and_warnings_are_told_apart(self, scorecard):
        rows = (*scorecard.rows, _row("failed"), _row("warning"))
        more = replace(scorecard, rows=rows)
        assert not more.passed
        assert more.summary() == "15 passed, 1 failed, 1 to look at, 3 skipped"
        assert replace(scorecard, rows=(*scorecard.rows, _row("warning"))).passed

    def test_it_is_plain_data(self, scorecard):
        data = json.loads(json.dumps(scorecard.as_dict()))
        assert data["kind"] == "strategy"
        assert data["name"] == "example"
        assert data["counts"] == {"passed": 15, "skipped": 3}
        assert data["checks"][2]["reference"] == (
            "docs/reference/conformance.md#strategy-single-task"
        )
        assert len(data["checks"]) == len(CHECKS["strategy"])

    def test_progress_is_told(self):
        seen = []
        run_checks(subject_of(examples.STRATEGY), before_each=lambda one: seen.append(one.name))
        assert seen == [one.name for one in CHECKS["strategy"]]

    def test_components_without_checks_are_refused(self):
        spec = CommandSpec(name="sweep", summary="", class_path="a:b")
        with pytest.raises(ConfigError, match="There are no checks for a command"):
            subject_of(spec)

    def test_settings_of_a_component_without_settings_are_refused(self):
        with pytest.raises(ConfigError, match="'example' has no settings; leave 'size' out"):
            subject_of(examples.DATASET, {"size": 3})


class TestReference:
    page = reference_markdown()

    @pytest.mark.parametrize("one", EVERY, ids=lambda one: f"{one.kind}-{one.name}")
    def test_every_check_is_explained(self, one):
        promise, measured, why = one.paragraphs
        assert promise.endswith(".")
        assert len(promise) < 120
        assert measured.startswith("Measured: ")
        assert why.startswith("Why: ")
        anchor = f"\n\n({one.kind}-{one.name})=\n### {one.name.replace('-', ' ').capitalize()}\n\n"
        assert self.page.count(anchor) == 1

    def test_anchors_are_what_failures_point_to(self):
        anchors = re.findall(r"^\(([a-z-]+)\)=$", self.page, flags=re.MULTILINE)
        assert anchors == [f"{one.kind}-{one.name}" for one in EVERY]
        assert _row("failed").reference == "docs/reference/conformance.md#encoder-rotation"

    def test_tolerances_and_their_reasons_are_on_the_page(self):
        assert "at most 1e-09 in float64, 0.0001 in float32" in self.page
        assert "at least 1e-06" in self.page
        assert all(one.tolerance.reason in self.page for one in EVERY if one.tolerance)

    def test_slow_checks_are_marked(self):
        slow = [one for one in EVERY if one.slow]
        assert self.page.count("Left out by `--quick`.") == len(slow) == 7

    def test_names_are_unique_within_a_kind(self):
        for checks in CHECKS.values():
            names = [one.name for one in checks]
            assert len(set(names)) == len(names)
            assert all(one.kind == checks[0].kind for one in checks)


def test_zeros_are_stirred_and_nothing_else():
    layer = torch.nn.Linear(2, 2)
    torch.nn.init.zeros_(layer.bias)
    weight = layer.weight.detach().clone()
    stir_zeros(layer)
    assert layer.bias.all()
    assert torch.equal(layer.weight, weight)


def _row(result):
    return Row(kind="encoder", check="rotation", result=result, promise="", explanation="")
