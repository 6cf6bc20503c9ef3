"""Checks of a strategy: the tasks that it accepts, and those that it rejects."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import get_args

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.strategy import BatchMode, Task
from matsciml_core.testing.checks import Broken, NotApplicable, check
from matsciml_core.testing.strategy.subject import StrategySubject, make_tasks


@check("strategy")
def construction(subject: StrategySubject) -> str:
    """The strategy is built from its settings alone, and accepts as many tasks as it declares.

    Measured: ``validate`` accepts one task, and two and three where the spec allows them, on one
    dataset and on several where the spec allows them; ``batch_mode`` is one of those that exist,
    and where it is ``sampled``, each dataset has a positive share.

    Why: ``run`` decides by the spec what may be combined, before any data is read.
    """
    counts = subject.possible((1, 2, 3))
    for count in counts:
        subject.build(make_tasks(count, datasets=1))
        strategy = subject.build(subject.tasks(count))
    if strategy.batch_mode not in get_args(BatchMode):
        modes = ", ".join(get_args(BatchMode))
        raise Broken(f"batch_mode is '{strategy.batch_mode}'; use one of {modes}.")
    if strategy.batch_mode == "sampled":
        sizes = {"data0": 3, "data1": 40}
        shares = strategy.shares(sizes)
        if shares.keys() != sizes.keys() or not all(0 < share < inf for share in shares.values()):
            raise Broken(
                f"The shares of datasets are {dict(shares)}; give a positive number for each."
            )
    return f"{counts[-1]} tasks"


@check("strategy")
def limits(subject: StrategySubject) -> str:
    """More tasks or datasets than declared are rejected with a ConfigError.

    Measured: ``validate`` with one task more, and one dataset more, than the spec allows; the
    error must be a ConfigError with a sentence.

    Why: a strategy that silently trains the first of two tasks wastes a night.
    """
    tasks, datasets = subject.declared.max_tasks, subject.declared.max_datasets
    if tasks is None and datasets is None:
        raise NotApplicable("The spec declares no limit.")
    if tasks is not None:
        _expect_rejection(subject, make_tasks(tasks + 1, datasets=1), "tasks")
    if datasets is not None:
        _expect_rejection(subject, make_tasks(datasets + 1, datasets=datasets + 1), "datasets")
    return f"tasks {tasks or 'any'}, datasets {datasets or 'any'}"


def _expect_rejection(subject: StrategySubject, tasks: Sequence[Task], what: str) -> None:
    try:
        subject.component(subject.config).validate(tasks)
    except ConfigError as error:
        if str(error).strip():
            return
        raise Broken(f"Too many {what} are rejected without a sentence.") from error
    raise Broken(f"Too many {what} ({len(tasks)}) are accepted.", measured=f"{len(tasks)} {what}")
