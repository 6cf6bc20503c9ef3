"""Fixtures for tests of plugins; loaded by pytest through the core's ``pytest11`` entry point.

Every run of pytest in the environment imports this module, so it imports nothing but pytest;
torch and the rest come when a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from matsciml_core.interfaces.crystal import Crystal
    from matsciml_core.registry.manager import Registry
    from matsciml_core.testing.plugin_folder import PluginFolder


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


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The empty folder in which datasets are looked for until the session ends.

    Not for every test of the environment: a suite whose tests must not see the datasets of the
    machine requests it by an autouse fixture of its own.
    """
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATSCIML_DATA", str(folder))
        yield folder


@pytest.fixture
def plugin_folder(tmp_path: Path) -> Iterator[PluginFolder]:
    """A folder for plugins written by hand, which are installed until the test ends."""
    from matsciml_core.testing.plugin_folder import importable_plugins  # noqa: PLC0415 - lazy

    with importable_plugins(tmp_path / "plugins") as folder:
        yield folder


@pytest.fixture(scope="module")
def module_plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginFolder]:
    """The same for all tests of a module, and for fixtures that serve all of them."""
    from matsciml_core.testing.plugin_folder import importable_plugins  # noqa: PLC0415 - lazy

    with importable_plugins(tmp_path_factory.mktemp("module") / "plugins") as folder:
        yield folder


@pytest.fixture(scope="session")
def write_model() -> Callable[..., Path]:
    """``matsciml_core.testing.models.write_model``: a trained model, without training."""
    from matsciml_core.testing.models import write_model as write  # noqa: PLC0415 - imports torch

    return write
