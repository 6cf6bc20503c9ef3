"""The page of a sweep for tools that show folders, from ``sweep.json``: without its journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from matsciml_core.errors import DataError
from matsciml_core.guarded import read_json
from matsciml_tool_sweep.metric import Metric
from matsciml_tool_sweep.results import RESULTS, SCHEMA, sweep_page
from matsciml_tool_sweep.space import Axis, Choices, parse_axis, written_as
from matsciml_tool_sweep.sweep import Sweep
from matsciml_tool_sweep.trials import State, Trial
from matsciml_util_pages.folder_pages import PageSubject
from matsciml_util_pages.pages import Page

_LARGEST = 64 << 20
"""Bytes of ``sweep.json``; a trial has some hundred, and its curve a few for each epoch."""


def sweep(subject: PageSubject) -> Page:
    """Return the page of a sweep, finished or under way.

    Args:
        subject: The folder of the sweep.

    Raises:
        DataError: The sweep has not written its numbers yet, or others than this version knows.
    """
    file = subject.folder / f"{RESULTS}.json"
    try:
        data = read_json(file, largest=_LARGEST)
    except FileNotFoundError:
        raise DataError(
            f"This sweep has not written '{file.name}' yet, as it does every minute."
        ) from None
    try:
        if data["schema"] != SCHEMA:
            raise ValueError(f"its schema is {data['schema']}, not {SCHEMA}")
        axes = {key: parse_axis(f"{key}={text}") for key, text in data["varied"].items()}
        metric = Metric(name=str(data["metric"]), unit=str(data["unit"]))
        trials = [_trial(record, metric, axes) for record in data["trials"]]
        trials.sort(key=lambda trial: trial.number)  # in the order in which they were tried
        shares = {str(key): float(share) for key, share in data["importances"].items()}
        shown = Sweep(
            data={
                "datasets": [{"name": str(name)} for name in data.get("datasets", ())],
                "encoder": {"name": str(data.get("encoder") or "several encoders")},
            },
            axes=list(axes.values()),
            metric=metric,
            path=subject.folder,
            seed=int(data["seed"]),
            patience=data.get("patience"),
            command=str(data["command"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"'{file.name}' is not what a sweep writes ({type(error).__name__}: {error}); continue "
            "the sweep, and it is written again."
        ) from error
    return sweep_page(shown, trials, shares)


def _trial(record: Mapping[str, Any], metric: Metric, axes: Mapping[str, Axis]) -> Trial:
    """Return a trial from its record, in which lists and the like are written as text."""
    settings = {}
    for key, axis in axes.items():
        value = record[key]
        settings[key] = axis.values[written_as(value)] if isinstance(axis, Choices) else value
    state = record["state"]
    if state not in get_args(State):
        raise ValueError(f"a trial is '{state}'")
    value = record[metric.name]
    return Trial(
        number=int(record["trial"]),
        settings=settings,
        state=state,
        value=None if value is None else float(value),
        curve={int(epoch): float(value) for epoch, value in record["curve"].items()},
        seconds=float(record["seconds"]),
        sentence=str(record["sentence"]),
    )
