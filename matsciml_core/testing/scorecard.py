"""Scorecards: every check of a component in one table, and the page that explains the checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matsciml_core.errors import ConfigError, MatSciMLError
from matsciml_core.registry.messages import with_article
from matsciml_core.registry.specs import Spec
from matsciml_core.testing import dataset, encoder, head, reader, strategy
from matsciml_core.testing.checks import Check, Result, Row
from matsciml_core.testing.dataset.subject import DatasetSubject
from matsciml_core.testing.encoder.subject import EncoderSubject
from matsciml_core.testing.head.subject import TaskHeadSubject
from matsciml_core.testing.reader.subject import ReaderSubject
from matsciml_core.testing.strategy.subject import StrategySubject
from matsciml_core.testing.subject import Subject

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "dataset": dataset.CHECKS,
    "encoder": encoder.CHECKS,
    "task-head": head.CHECKS,
    "strategy": strategy.CHECKS,
    "reader": reader.CHECKS,
}
"""The checks of each kind of component, in the order of the scorecard."""
SUBJECTS: Mapping[str, type[Subject]] = {
    "dataset": DatasetSubject,
    "encoder": EncoderSubject,
    "task-head": TaskHeadSubject,
    "strategy": StrategySubject,
    "reader": ReaderSubject,
}


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """The outcome of every check of one component."""

    kind: str
    name: str
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed; warnings and skipped checks do not count."""
        return not self.of("failed")

    def of(self, result: Result) -> list[Row]:
        """Return the rows that ended in one way."""
        return [row for row in self.rows if row.result == result]

    def summary(self) -> str:
        """Return one line, for example ``30 passed, 1 failed, 2 skipped``."""
        found = Counter(row.result for row in self.rows)
        parts = [f"{found['passed']} passed", f"{found['failed']} failed"]
        if found["warning"]:
            parts.append(f"{found['warning']} to look at")
        return ", ".join([*parts, f"{found['skipped']} skipped"])

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        counts = Counter(row.result for row in self.rows)
        rows = [
            {
                "check": row.check,
                "result": row.result,
                "measured": row.measured,
                "tolerance": row.tolerance,
                "promise": row.promise,
                "explanation": row.explanation,
                "seconds": round(row.seconds, 3),
                "reference": row.reference,
            }
            for row in self.rows
        ]
        return {"kind": self.kind, "name": self.name, "counts": dict(counts), "checks": rows}


def subject_of(
    spec: Spec,
    options: Mapping[str, Any] | None = None,
    *,
    component: type[Any] | None = None,
    quick: bool = False,
) -> Subject:
    """Load a component for its checks; see :meth:`Subject.from_spec`, of the class for its kind.

    Raises:
        ConfigError: There are no checks for this kind, or a setting is wrong.
        PluginLoadError: The class or its config cannot be imported.
    """
    if spec.kind not in SUBJECTS:
        raise ConfigError(
            f"There are no checks for {with_article(spec.kind)}; there are for "
            f"{', '.join(SUBJECTS)}."
        )
    return SUBJECTS[spec.kind].from_spec(spec, options, component=component, quick=quick)


def run_checks(
    subject: Subject, *, before_each: Callable[[Check], None] | None = None
) -> Scorecard:
    """Run every check of a component.

    Where the component cannot be built at all, the other checks are skipped, because they could
    only say the same.

    Args:
        subject: What to check.
        before_each: Called with each check before it runs, for a progress display.

    Returns:
        The scorecard.

    Raises:
        MatSciMLError: Something that the user can mend, such as data that is not there yet.
    """
    checks = CHECKS[subject.spec.kind]
    try:
        subject.prepare()
    except Exception as error:
        if subject.reads_files and isinstance(error, MatSciMLError):
            raise
        reason = f"The {subject.spec.kind} cannot be built."
        rows = [checks[0].fail(error), *(one.skip(reason) for one in checks[1:])]
    else:
        rows = [_run(one, subject, before_each) for one in checks]
    return Scorecard(kind=subject.spec.kind, name=subject.spec.name, rows=tuple(rows))


def reference_markdown() -> str:
    """Return the page that explains every check, in MyST Markdown.

    The documentation build writes it to ``docs/reference/conformance.md``; headings are anchors
    named ``<kind>-<check>``, to which every failing check points.
    """
    parts = [_INTRODUCTION]
    for kind, checks in CHECKS.items():
        parts.append(f"## {_TITLES[kind]}")
        parts += [_section(one) for one in checks]
    return "\n\n".join(parts) + "\n"


_TITLES = {
    "dataset": "Datasets",
    "encoder": "Encoders",
    "task-head": "Task heads",
    "strategy": "Strategies",
    "reader": "Readers",
}
_INTRODUCTION = """\
# Conformance checks

`matsciml check NAME` measures what a component promises, and prints one row per promise; the
classes in `matsciml_core.testing` run the same checks as tests:

```python
from matsciml_core.testing import EncoderContract


class TestMine(EncoderContract):
    spec_name = "mine"
```

A check passes, fails, warns (nothing is certainly wrong, but a person should look) or is skipped,
because the component does not make that promise. Random numbers are seeded, so a result repeats.
To accept a known failure, override its test and mark it with `pytest.mark.xfail(reason=...)`; the
mixins refuse a contract test that is overridden without one."""


def _run(one: Check, subject: Subject, before_each: Callable[[Check], None] | None) -> Row:
    if before_each is not None:
        before_each(one)
    return one.run(subject)


def _section(one: Check) -> str:
    title = one.name.replace("-", " ").capitalize()
    blocks = [f"({one.kind}-{one.name})=", f"### {title}", *map(_emphasise, one.paragraphs)]
    if one.tolerance is not None:
        limit = one.tolerance
        numbers = f"{limit.float64:g}"
        if limit.float32 != limit.float64:
            numbers += f" in float64, {limit.float32:g} in float32"
        word = "at least" if limit.at_least else "at most"
        blocks.append(f"**Tolerance:** {word} {numbers}. {limit.reason}")
    if one.slow:
        blocks.append("Left out by `--quick`.")
    return "\n\n".join(blocks[:1]) + "\n" + "\n\n".join(blocks[1:])


def _emphasise(paragraph: str) -> str:
    """Set the first word of a paragraph such as ``Why: …`` in bold."""
    word, colon, rest = paragraph.partition(": ")
    return f"**{word}:** {rest}" if colon and word in ("Measured", "Why") else f"**{paragraph}**"
