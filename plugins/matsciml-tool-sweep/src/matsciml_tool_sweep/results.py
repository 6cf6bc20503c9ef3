"""What a sweep leaves behind: the best configuration, a page, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matsciml_core.files import write_whole
from matsciml_tool_sweep.figures import history, importances, parallel_coordinates
from matsciml_tool_sweep.metric import Metric
from matsciml_tool_sweep.space import shown
from matsciml_tool_sweep.sweep import BEST, Sweep, to_yaml
from matsciml_tool_sweep.trials import Trial, best_of, ranked
from matsciml_util_pages.finished_runs import FinishedRun, read_finished_run
from matsciml_util_pages.metrics import describe_baseline, metric_info
from matsciml_util_pages.numbers import ABSENT, count, duration, number, quantity
from matsciml_util_pages.pages import Page, Section, write_page_files
from matsciml_util_pages.plots import Figures
from matsciml_util_pages.sheets import Column, Sheet, Value, number_value
from matsciml_util_pages.views import Absent, Fact, Lead, Table, View, facts

if TYPE_CHECKING:
    from matsciml_tool_sweep.study import Study

RESULTS = "sweep"
"""Name of the files with what a sweep has found, without their ending."""
SCHEMA = 1
"""Grows when a key of ``sweep.json`` changes its meaning or goes away."""
_TONES = {"finished": "good", "failed": "bad"}
_WORDS = {"running": "not finished", "pruned": "stopped early"}
"""States as a reader of a page understands them who does not know how old it is."""


def write_best(sweep: Sweep, trials: Sequence[Trial]) -> Path | None:
    """Write the configuration of the best trial for ``matsciml run --config``.

    Args:
        sweep: The sweep.
        trials: Its trials.

    Returns:
        The file; None where no trial has finished.
    """
    best = best_of(trials, sweep.metric)
    if best is None:
        return None
    finished = sum(trial.state == "finished" for trial in trials)
    head = (
        f"# The best of {finished} finished trials: {sweep.metric.title} "
        f"{number(best.value)}, trial {best.number}.\n"
    )
    path = sweep.path / BEST
    write_whole(path, (head + to_yaml(sweep.config(best))).encode())
    return path


def write_results(sweep: Sweep, study: Study) -> Path:
    """Write ``best.yaml``, and ``sweep.html``, ``.md``, ``.csv`` and ``.json``.

    Args:
        sweep: The sweep.
        study: Its trials.

    Returns:
        Path of the page.
    """
    trials = study.trials()
    write_best(sweep, trials)
    shares = study.importances()
    records = [_record(trial, sweep.metric) for trial in ranked(trials, sweep.metric)]
    data = {
        "schema": SCHEMA,
        "command": sweep.command,
        "metric": sweep.metric.name,
        "unit": sweep.metric.unit,
        "seed": sweep.seed,
        "patience": sweep.patience,
        "datasets": [item["name"] for item in sweep.data.get("datasets", ())],
        "encoder": (sweep.data.get("encoder") or {}).get("name"),
        "varied": {axis.key: axis.text for axis in sweep.axes},
        "importances": shares,
        "trials": [
            {**record, "curve": trial.curve}
            for record, trial in zip(records, ranked(trials, sweep.metric), strict=True)
        ],
    }
    page = sweep_page(sweep, trials, shares)
    return write_page_files(page, records, sweep.path, RESULTS, data)


def texts(trial: Trial, rank: int | None, sweep: Sweep) -> tuple[str, ...]:
    """Return a trial as a line of a table in the terminal; its titles are :func:`header`."""
    return (
        ABSENT if rank is None else str(rank),
        str(trial.number),
        *(shown(value) for value in trial.settings.values()),
        number(trial.value),
        str(len(trial.curve)),
        duration(trial.seconds),
        f"{state_of(trial)}. {trial.sentence}" if trial.sentence else state_of(trial),
    )


def header(sweep: Sweep) -> tuple[str, ...]:
    """Return the titles of what :func:`texts` returns."""
    settings = (axis.key for axis in sweep.axes)
    return ("rank", "trial", *settings, sweep.metric.title, "epochs", "time", "state")


def state_of(trial: Trial) -> str:
    """Return the state of a trial in words."""
    return _WORDS.get(trial.state, trial.state)


def best_run(sweep: Sweep, trials: Sequence[Trial]) -> FinishedRun | None:
    """Return the run of the best trial, the only one whose test set is looked at."""
    best = best_of(trials, sweep.metric)
    run = None if best is None else sweep.finished_run(best)
    return None if run is None else read_finished_run(run)


def _record(trial: Trial, metric: Metric) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "state": trial.state,
        metric.name: trial.value,
        "epochs": len(trial.curve),
        "seconds": trial.seconds,
        **{
            key: value if isinstance(value, int | float | str | None) else shown(value)
            for key, value in trial.settings.items()
        },
        "sentence": trial.sentence,
    }


def sweep_page(sweep: Sweep, trials: Sequence[Trial], shares: Mapping[str, float]) -> Page:
    """Return the page of a sweep.

    Args:
        sweep: The sweep.
        trials: Its trials.
        shares: How much each setting matters, the largest first; they sum to 1.
    """
    best, run = best_of(trials, sweep.metric), best_run(sweep, trials)
    data = sweep.data
    names = " + ".join(item["name"] for item in data.get("datasets", ()))
    encoder = (data.get("encoder") or {}).get("name", "several encoders")
    plots = [
        history(trials, sweep.metric),
        importances(shares),
        parallel_coordinates(trials, sweep.axes, sweep.metric),
    ]
    return Page(
        eyebrow="MatSciML sweep",
        title=f"Settings of {encoder} on {names}",
        lead=(
            "Trials are compared on the validation set. The test set is reported once, for the "
            "best of them."
        ),
        facts=_facts(sweep, trials),
        notices=[] if best is not None else ["No trial has finished yet."],
        sections=[
            Section(anchor="best", title="Best", views=_best(sweep, best, run)),
            Section(anchor="search", title="Search", views=[Figures(plots)]),
            Section(anchor="trials", title="Trials", views=[_sheet(sweep, trials)]),
        ],
        command=sweep.command,
        citations=[] if run is None else run.citations,
    )


def _facts(sweep: Sweep, trials: Sequence[Trial]) -> list[Fact]:
    best = best_of(trials, sweep.metric)
    states = [trial.state for trial in trials]
    listed = [
        f"{states.count(state)} {_WORDS.get(state, state)}"
        for state in ("finished", "pruned", "failed", "running")
        if state in states
    ]
    stop = (
        "no trial is stopped early"
        if sweep.patience is None
        else f"those worse than the median are stopped, from epoch {sweep.patience + 1} on"
    )
    return facts(
        ("Best", None if best is None else f"{sweep.metric.text(best.value)}, trial {best.number}"),
        ("Compared by", sweep.metric.title),
        ("Trials", ", ".join(listed)),
        ("Time of all runs together", duration(sum(trial.seconds for trial in trials))),
        ("Search", f"tree-structured Parzen estimator, seed {sweep.seed}; {stop}"),
    )


def _best(sweep: Sweep, best: Trial | None, run: FinishedRun | None) -> list[View]:
    """Return the settings of the best trial, and what its model does on the test set."""
    if best is None:
        return [Absent("No trial has finished.")]
    settings = Table(
        caption="Settings of the best trial",
        columns=("Setting", "Value", "Tried"),
        rows=[
            (axis.key, shown(best.settings[axis.key]), axis.text.replace(",", ", "))
            for axis in sweep.axes
        ],
        numeric=False,
        identifiers=True,
    )
    views: list[View] = [
        Lead(f"{BEST} beside this page repeats it with matsciml run --config."),
        settings,
    ]
    rows = []
    for key, target in ({} if run is None else run.targets).items():
        for name, value in target.metrics.items():
            info = metric_info(name)
            baseline = target.baseline
            reference = None if baseline is None else target.baselines[baseline].get(name)
            words = ABSENT if baseline is None else describe_baseline(baseline)
            unit = info.unit(target.unit)
            rows.append((f"{key}, {info.short}", quantity(value, unit),
                         quantity(reference, unit), words))  # fmt: skip
    if rows:
        columns = ("Metric", "Best trial", "Baseline", "which is")
        views.append(
            Table(caption="Test set, best trial only", columns=columns, rows=rows, numeric=False)
        )
    return views


def _sheet(sweep: Sweep, trials: Sequence[Trial]) -> Sheet:
    metric = sweep.metric
    columns = [
        Column(key="trial", title="Trial"),
        Column(key="value", title=f"{metric.title[:1].upper()}{metric.title[1:]}", numeric=True,
               strong=True, meaning="With the best weights; of a trial that was stopped early, "
               "none"),
        *(Column(key=axis.key, title=axis.key, numeric=hasattr(axis, "low"), facet=False)
          for axis in sweep.axes),
        Column(key="epochs", title="Epochs", numeric=True),
        Column(key="time", title="Time", numeric=True, meaning="Wall time of the run"),
        Column(key="state", title="State", facet=True),
    ]  # fmt: skip
    rows = [
        {
            "trial": Value(str(trial.number), order=trial.number),
            "value": number_value(trial.value),
            "epochs": Value(count(len(trial.curve)), order=len(trial.curve)),
            "time": Value(duration(trial.seconds), order=trial.seconds),
            "state": Value(
                state_of(trial), below=trial.sentence, tone=_TONES.get(trial.state, "quiet")
            ),
            **{
                key: Value(shown(value), order=value if isinstance(value, int | float) else None)
                for key, value in trial.settings.items()
            },
        }
        for trial in ranked(trials, metric)
    ]
    return Sheet(caption="All trials, the best first", columns=columns, rows=rows)
