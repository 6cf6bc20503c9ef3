"""What a table says of its experiments: numbers with their spread, beside published ones."""

from __future__ import annotations

import pytest

from matsciml_tool_benchmark.availability import Unavailable


def test_an_entry_is_the_mean_over_the_seeds(filled):
    entry, _ = filled.entries()
    assert entry.experiment == "tableau/gap/plain"
    assert (entry.metric, entry.unit) == ("mse", "eV²")
    assert entry.value.values == (1.0, 2.0)
    assert (entry.value.mean, entry.value.deviation) == (1.5, pytest.approx(0.5**0.5))
    assert entry.standardised.mean == 1.5 / 4.0
    assert entry.baseline == ("mean", 4.0)
    assert entry.cost("parameters", "total") == 1234
    assert entry.state == "finished"


def test_the_number_of_the_column_wins_over_the_best_of_all(filled):
    entry, other = filled.entries()
    assert (entry.published.value, entry.published.unit) == (0.5, "eV²")
    assert (other.published.value, other.published.encoder) == (0.3, "")
    assert other.published.notes == ("unit",)


def test_a_failed_experiment_says_why(filled):
    _, other = filled.entries()
    assert (other.state, other.remark) == ("failed", "The moon is in the wrong place.")
    assert other.value.mean is None


def test_an_experiment_without_its_data_says_how_to_fetch_it_and_comes_last(make_benchmark):
    reason = Unavailable("no data", "Run: matsciml data fetch toy")
    benchmark = make_benchmark(encoders={"a": {}, "b": {}}, unavailable={"gap/a": reason})
    first, last = benchmark.entries()
    assert (first.column, last.column) == ("b", "a")
    assert (last.state, last.remark) == ("no data", "Run: matsciml data fetch toy")


def test_an_entry_for_each_metric_that_a_label_is_compared_by(make_benchmark, fill):
    benchmark = make_benchmark(metrics={"gap": ["mae", "mse", "nonsense"]})
    fill(benchmark)
    assert [(entry.metric, entry.value.mean, entry.unit) for entry in benchmark.entries()] == [
        ("mae", 0.5, "eV"), ("mse", 1.0, "eV²"),
    ]  # fmt: skip


def test_some_seeds_finished_is_said(make_benchmark, fill):
    benchmark = make_benchmark(seeds=3)
    fill(benchmark, benchmark.experiments[:2])
    (entry,) = benchmark.entries()
    assert (entry.state, entry.remark) == ("partly finished", "2 of 3 seeds.")
