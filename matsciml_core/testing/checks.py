"""What a check is: a function that measures one promise, and the row it leaves on a scorecard.

A check takes a subject (the component with what its spec declares) and does one of these:

* returns a :class:`Measured` number, which is compared with the check's tolerance;
* returns a string or None: the promise holds, the string says what was seen;
* raises :class:`Broken`: the promise does not hold, with a sentence that says what was found;
* raises :class:`Doubtful`: nothing is certainly wrong, but a person should look;
* raises :class:`NotApplicable`: the component does not make this promise;
* raises anything else: the component failed where it should have worked, the promise is broken.

The first line of a check's docstring is the promise. It goes on with a paragraph that begins with
``Measured:`` and one that begins with ``Why:``; the reference page is made from them.
"""

from __future__ import annotations

import math
import random
import re
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import cleandoc
from typing import Any, Literal

import numpy as np
import torch

from matsciml_core.testing.tolerances import Tolerance

Result = Literal["passed", "failed", "warning", "skipped"]
"""How a check ended. Only ``failed`` counts against a component."""

REFERENCE_PAGE = "docs/reference/conformance.md"
"""Where every check is explained, one heading each."""
SEED = 20231
"""Random numbers of a check start from here, whatever ran before it."""


class Broken(Exception):
    """The component breaks the promise; the message says what was found."""

    def __init__(self, message: str, *, measured: str = "") -> None:
        """Keep the message and, for the scorecard, what was measured."""
        super().__init__(message)
        self.measured = measured


class Doubtful(Broken):
    """Not certainly wrong, but a person should look: becomes a warning."""


class NotApplicable(Exception):
    """The component does not make this promise; the message says why."""


@dataclass(frozen=True)
class Measured:
    """The number a check measured, and where it was largest (or smallest)."""

    value: float
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a scorecard."""

    kind: str
    """Kind of component, as in the registry: ``encoder``, ``dataset``, ``task-head``, …"""
    check: str
    result: Result
    promise: str
    """What the interface promises, one sentence."""
    explanation: str
    """The promise where it holds; else what is wrong, or why the check does not apply."""
    measured: str = ""
    tolerance: str = ""
    seconds: float = 0.0

    @property
    def reference(self) -> str:
        """Where the check is explained."""
        return f"{REFERENCE_PAGE}#{self.kind}-{self.check}"

    def report(self) -> str:
        """Return what a failing test prints: promise, finding, numbers, where to read on."""
        return "\n".join(
            (
                f"Broken promise ({self.kind} / {self.check}): {self.promise}",
                f"  found:     {self.explanation}",
                f"  measured:  {self.measured or 'no number'}",
                f"  tolerance: {self.tolerance or 'none: it holds or it does not'}",
                f"  read on:   {self.reference}",
            )
        )


@dataclass(frozen=True, kw_only=True)
class Check:
    """A promise of an interface and the function that measures it."""

    kind: str
    name: str
    function: Callable[[Any], Measured | str | None]
    tolerance: Tolerance | None = None
    slow: bool = False
    """Whether the check starts processes or reads much; left out by ``--quick``."""

    @property
    def promise(self) -> str:
        """The first sentence of the docstring."""
        return self.paragraphs[0]

    @property
    def paragraphs(self) -> list[str]:
        """The docstring's paragraphs, each on one line."""
        text = cleandoc(self.function.__doc__ or self.name)
        return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]

    def run(self, subject: Any) -> Row:
        """Run the check with seeded random numbers.

        Args:
            subject: The component under test, see ``matsciml_core.testing.subjects``.

        Returns:
            What was found; no exception of the component leaves this method.
        """
        start = time.perf_counter()
        if self.slow and subject.quick:
            return self.skip("Left out of a quick check.")
        with seeded():
            row = self._measure(subject)
        return replace(row, seconds=time.perf_counter() - start)

    def skip(self, reason: str) -> Row:
        """Return the row of a check that was not run."""
        return self._row("skipped", reason)

    def fail(self, error: Exception) -> Row:
        """Return the row of a check that an exception ended."""
        return self._row("failed", _one_line(error))

    def _measure(self, subject: Any) -> Row:
        try:
            found = self.function(subject)
        except NotApplicable as reason:
            return self._row("skipped", str(reason))
        except Doubtful as doubt:
            return self._row("warning", str(doubt), doubt.measured)
        except Broken as broken:
            return self._row("failed", str(broken), broken.measured)
        except Exception as error:
            row = self.fail(error)
            # What the failed call left behind, such as worker processes, ends now and not later.
            traceback.clear_frames(error.__traceback__)
            return row
        if isinstance(found, Measured):
            return self._compare(found, subject.dtype)
        return self._row("passed", self.promise, found or "")

    def _compare(self, found: Measured, dtype: torch.dtype) -> Row:
        tolerance = self.tolerance
        if tolerance is None:
            raise TypeError(f"The check '{self.name}' measures a number; give it a tolerance.")
        measured, limit = f"{found.value:.2g}", tolerance.show(dtype)
        if tolerance.accepts(found.value, dtype):
            return self._row("passed", self.promise, measured, limit)
        place = f" ({found.where})" if found.where else ""
        message = f"{tolerance.quantity} is {measured}{place}, allowed is {limit}."
        return self._row("failed", message, measured, limit)

    def _row(
        self, result: Result, explanation: str, measured: str = "", tolerance: str = ""
    ) -> Row:
        return Row(
            kind=self.kind,
            check=self.name,
            result=result,
            promise=self.promise,
            explanation=explanation,
            measured=measured,
            tolerance=tolerance,
        )


def check(
    kind: str, *, tolerance: Tolerance | None = None, slow: bool = False
) -> Callable[[Callable[[Any], Measured | str | None]], Check]:
    """Turn a function into a :class:`Check` named after it.

    Args:
        kind: Kind of component the check is for.
        tolerance: What the measured number is compared with; None where nothing is measured.
        slow: Whether a quick check leaves it out.

    Returns:
        The decorator.
    """

    def decorate(function: Callable[[Any], Measured | str | None]) -> Check:
        name = function.__name__.replace("_", "-")
        return Check(kind=kind, name=name, function=function, tolerance=tolerance, slow=slow)

    return decorate


class Worst:
    """Keeps the largest of several numbers and where it was found; NaN is larger than all."""

    def __init__(self) -> None:
        """Start without a number."""
        self._found = Measured(0.0)

    def add(self, value: float, where: str) -> None:
        """Keep the number if it is the largest so far."""
        if not (value <= self._found.value or math.isnan(self._found.value)):
            self._found = Measured(value, where)

    @property
    def found(self) -> Measured:
        """The largest number so far; 0 where there was none."""
        return self._found


@contextmanager
def seeded() -> Iterator[None]:
    """Seed Python, NumPy and torch, and put back their states afterwards."""
    python, numpy, torch_ = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - components may use the global generator
    torch.default_generator.manual_seed(SEED)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(torch_)


def _one_line(error: Exception) -> str:
    """Return the exception as one line: its type and the first line that says something.

    Exceptions from worker processes carry the whole traceback; its last line is the message.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return f"{type(error).__name__} was raised, without a message."
    if not lines[0].startswith("Caught "):
        return f"{type(error).__name__}: {lines[0]}"
    return re.sub(r"^(?:\w+\.)+(?=\w+:)", "", lines[-1])
