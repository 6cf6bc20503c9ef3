"""``matsciml check``: test a component against what it promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matsciml_cli._completion import complete_kinds, complete_names
from matsciml_cli.console import STYLES, Row, on_terminal, warn, write_json, write_line, write_table
from matsciml_cli.options import Json
from matsciml_cli.state import registry_of
from matsciml_core.errors import ConfigError
from matsciml_core.registry.messages import with_article

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry
    from matsciml_core.registry.specs import Spec
    from matsciml_core.testing.scorecard import Scorecard

SCHEMA = 1
"""Grows when a key of the JSON output changes its meaning or goes away."""
CHECKED = ("dataset", "encoder", "task-head", "strategy", "reader")
"""The kinds of component that have checks."""
_MARKS = {"passed": "✓", "failed": "✗", "warning": "!", "skipped": "–"}
_STYLE_OF = {"failed": STYLES["failed"], "warning": STYLES["warning"], "skipped": STYLES["blocked"]}


def check(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="Name of the component.", autocompletion=complete_names())
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            "-k",
            help="Its kind, where several kinds have the name.",
            autocompletion=complete_kinds,
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="A setting as KEY=VALUE, for example preset=small."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Start no processes, and take small samples.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Test a component against what it promises; exit with 1 where a promise is broken.

    The JSON has the keys `schema` (1), `kind`, `name`, `passed`, `counts` and `checks`. A check
    has `check`, `result` (`passed`, `failed`, `warning` or `skipped`), `measured`, `tolerance`,
    `promise`, `explanation`, `seconds` and `reference`.
    """
    spec = _find(registry_of(context), name, kind)
    from matsciml_core.testing.scorecard import run_checks, subject_of

    subject = subject_of(spec, _settings(spec.kind, overrides or []), quick=quick)
    with _status(f"Checking {spec.kind} {spec.name}") as update:
        scorecard = run_checks(subject, before_each=lambda item: update(item.name))
    if as_json:
        write_json({"schema": SCHEMA, "passed": scorecard.passed, **scorecard.as_dict()})
    else:
        _show(scorecard)
    if not scorecard.passed:
        raise typer.Exit(1)


def _settings(kind: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Return the component's settings, written as ``KEY=VALUE`` or, as for ``run``, in full.

    ``width=4`` and ``encoder.width=4`` mean the same for an encoder.
    """
    from matsciml_core.training.config_data import parse_overrides

    settings = parse_overrides(overrides)
    section = settings.pop(kind.removeprefix("task-"), {})
    return {**section, **settings} if isinstance(section, Mapping) else settings


def _find(registry: Registry, name: str, kind: str | None) -> Spec:
    """Return the record of the component that the user means."""
    from matsciml_core.data.readers.detection import EXTENDED_XYZ

    # No plugin offers the reader that the core has, but it is checked like theirs.
    if name == EXTENDED_XYZ.name and kind in (None, EXTENDED_XYZ.kind):
        return EXTENDED_XYZ
    if kind is not None:
        return registry.get(kind, name)
    # Commands and callbacks have no checks, so that they do not count where a name is ambiguous.
    existing = {component.spec.kind for component in registry.find(name)}
    kinds = [kind for kind in CHECKED if kind in existing]
    if not kinds:
        raise registry.unknown(name)
    if len(kinds) > 1:
        names = " and ".join(map(with_article, kinds))
        raise ConfigError(f"'{name}' is {names}; say which with '--kind {kinds[0]}'.")
    return registry.get(kinds[0], name)


@contextmanager
def _status(title: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal which step is being taken; yields what is told the name of each."""
    if not on_terminal():
        yield lambda step: None
        return
    from rich.console import Console

    with Console(stderr=True).status(title) as status:
        yield lambda step: status.update(f"{title}: {step}")


def _show(scorecard: Scorecard) -> None:
    rows = []
    for row in scorecard.rows:
        numbers = (row.measured or "–", row.tolerance or "–")
        entries = (_MARKS[row.result], row.check, *numbers, row.explanation)
        rows.append(Row(entries, _STYLE_OF.get(row.result, "")))
    write_table(rows, header=("", "check", "measured", "tolerance", "promise, or what is wrong"))
    for row in scorecard.rows:
        # The table has what was measured; why it matters is said of what went wrong.
        if row.result in ("failed", "warning"):
            warn(f"{row.check}: {row.promise} See {row.reference}")
    write_line(f"{scorecard.kind} {scorecard.name}: {scorecard.summary()}")
