"""The checks as tests: a plugin subclasses a mixin, names its component, and is done.

::

    from matsciml_core.testing import EncoderContract


    class TestMine(EncoderContract):
        spec_name = "mine"

Every check of the scorecard becomes a test of the same name. To live with a known failure,
override its test and say why; the reason is compulsory, and once the check passes, pytest's
``xfail_strict`` tells::

        @pytest.mark.xfail(reason="reads absolute positions, as in the paper")
        def test_rotation(self):
            super().test_rotation()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import getattr_static
from typing import Any, ClassVar

import pytest

from matsciml_core.errors import ConfigError
from matsciml_core.registry.manager import build_registry
from matsciml_core.registry.specs import Spec
from matsciml_core.testing.checks import Check
from matsciml_core.testing.scorecard import CHECKS, subject_of
from matsciml_core.testing.subject import Subject


class Contract:
    """What the mixins share. Set ``spec_name``, or ``spec`` for one that is not installed."""

    kind: ClassVar[str] = ""
    spec_name: ClassVar[str] = ""
    """Name of an installed component, as users type it."""
    spec: ClassVar[Spec | None] = None
    """What the component declares, instead of ``spec_name``."""
    component: ClassVar[type[Any] | None] = None
    """The class; None: the one that the spec names."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Settings of the component, as plain data, for example ``{"preset": "small"}``."""
    quick: ClassVar[bool] = False
    """Whether to leave out checks that start processes, and to take small samples."""

    contract_tests: ClassVar[Mapping[str, Callable[..., None]]] = {}
    """The tests of the contract by name, as they must arrive in every test class."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse to replace a contract test without an xfail that says why.

        Raises:
            TypeError: A test of the contract is overridden silently.
        """
        super().__init_subclass__(**kwargs)
        for name, original in cls.contract_tests.items():
            found = getattr_static(cls, name)
            if found is not original and not _excused(found):
                raise TypeError(
                    f"{cls.__name__}.{name} replaces a test of the {cls.kind} contract; mark it "
                    "with pytest.mark.xfail(reason=...) to say why the promise is not kept."
                )

    @classmethod
    def subject(cls) -> Subject:
        """Return the component under test, loaded once per test class."""
        if "_subject" not in cls.__dict__:
            cls._subject = subject_of(
                cls._find_spec(), cls.options, component=cls.component, quick=cls.quick
            )
        return cls._subject

    _subject: ClassVar[Subject]

    @classmethod
    def _find_spec(cls) -> Spec:
        if cls.spec is not None:
            return cls.spec
        if not cls.spec_name:
            raise ConfigError(
                f"{cls.__name__} does not say what to test; set spec_name to the name of the "
                f"{cls.kind}."
            )
        return build_registry().get(cls.kind, cls.spec_name)


def _excused(value: Any) -> bool:
    """Return whether a test function carries an xfail with a reason."""
    marks: Iterable[Any] = getattr(value, "pytestmark", ())
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)


def _as_test(check: Check) -> Callable[[Contract], None]:
    def test(self: Contract) -> None:
        row = check.run(self.subject())
        if row.result == "failed":
            pytest.fail(row.report(), pytrace=False)
        if row.result == "skipped":
            pytest.skip(row.explanation)
        if row.result == "warning":
            print(f"To look at: {row.explanation} See {row.reference}")

    test.__doc__ = check.function.__doc__
    return test


def _with_tests(mixin: type[Contract]) -> type[Contract]:
    """Give a mixin one test per check of its kind."""
    tests = {f"test_{one.name.replace('-', '_')}": _as_test(one) for one in CHECKS[mixin.kind]}
    for name, test in tests.items():
        test.__name__ = name
        test.__qualname__ = f"{mixin.__name__}.{name}"
        setattr(mixin, name, test)
    mixin.contract_tests = tests
    return mixin


@_with_tests
class DatasetContract(Contract):
    """The checks of a dataset as tests."""

    kind = "dataset"


@_with_tests
class EncoderContract(Contract):
    """The checks of an encoder as tests."""

    kind = "encoder"


@_with_tests
class TaskHeadContract(Contract):
    """The checks of a task head as tests."""

    kind = "task-head"


@_with_tests
class StrategyContract(Contract):
    """The checks of a strategy as tests."""

    kind = "strategy"


@_with_tests
class ReaderContract(Contract):
    """The checks of a reader as tests."""

    kind = "reader"
