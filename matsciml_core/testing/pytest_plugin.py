"""Fixtures for tests of plugins; loaded by pytest through the core's ``pytest11`` entry point.

Every run of pytest in the environment imports this module, so it imports nothing but pytest;
torch and the rest come when a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from matsciml_core.interfaces.crystal import Crystal
    from matsciml_core.registry.manager import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The registry of everything that is installed."""
    from matsciml_core.registry.manager import build_registry  # noqa: PLC0415 - lazy

    return build_registry()


@pytest.fixture
def seeded() -> Iterator[None]:
    """Random numbers of Python, NumPy and torch that start at the same place in every test."""
    from matsciml_core.testing.checks import seeded as seeding  # noqa: PLC0415 - lazy

    with seeding():
        yield


@pytest.fixture
def crystals(seeded: None) -> dict[str, Crystal]:
    """Sample crystals by id: ``NaCl``, ``Fe`` (one atom), ``triclinic`` and ``Mg``."""
    from matsciml_core.testing.crystals import all_crystals  # noqa: PLC0415 - lazy

    return {crystal.id: crystal for crystal in all_crystals()}
