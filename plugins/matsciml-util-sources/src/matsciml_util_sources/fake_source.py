"""Fake sources: servers on loopback from which a plugin's tests fetch instead of the real ones.

A plugin keeps its fake sources in ``tests/fake_source.py``, as ``SOURCES``: name of a dataset → a
:class:`FakeSource`. Its own tests use them, and so does the test that takes every source
through the same sequence: fetch, kill, resume, load, fetch again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from matsciml_util_sources.addresses import PREFIX, host_key
from matsciml_util_sources.fake_server import FaultServer


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One crystal of a fake source, computed by hand from what its files say."""

    id: str
    atomic_numbers: Sequence[int]
    positions: Sequence[Sequence[float]]
    """Cartesian, ``(atoms, 3)``, Å."""
    cell: Sequence[Sequence[float]]
    """Lattice vectors as rows, ``(3, 3)``, Å."""
    labels: Mapping[str, Any]
    """By name, in the units that the dataset declares; others may exist."""
    missing: Sequence[str] = ()
    """Labels that this crystal has not."""


@dataclass(frozen=True, kw_only=True)
class FakeSource:
    """A source on loopback that speaks the protocol of the real one."""

    serve: Callable[[], AbstractContextManager[FaultServer]]
    """Starts the server, with all its routes."""
    mirrors: tuple[str, ...]
    """Hosts whose place it takes."""
    sample: Sample
    arguments: tuple[str, ...] = ()
    """Of ``matsciml data fetch NAME``."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the dataset, so that it serves what was fetched; empty: it does by itself."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables, such as a key."""
    slow: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Path → faults of :class:`FaultServer` that make a fetch last long enough to be killed."""

    def variables(self, server: FaultServer) -> dict[str, str]:
        """Return the environment variables under which the source is the fake.

        Args:
            server: The running server.
        """
        mirrors = {f"{PREFIX}{host_key(host)}": server.url for host in self.mirrors}
        return {**mirrors, **self.environment}

    @contextmanager
    def installed(self, data: Path) -> Iterator[FaultServer]:
        """Serve it, and let this process take it for the source within a block.

        Args:
            data: The folder of datasets; those of the machine are not seen.
        """
        with self.serve() as server:
            variables = self.variables(server) | {
                "MATSCIML_DATA": str(data),
                "MATSCIML_CONFIG": str(data / "none.toml"),  # nor are rates and mirrors of its own
            }
            with patch.dict(os.environ, variables):
                yield server


def load_module(file: str | Path) -> ModuleType:
    """Import a file beside a test module; tests are no packages, so ``import`` can't.

    Args:
        file: For example ``Path(__file__).with_name("fake_source.py")``.
    """
    path = Path(file).resolve()
    name = f"_{path.stem}_of_{path.parent.parent.name.replace('-', '_')}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"'{path}' is no Python file.")
    module = module_from_spec(spec)
    sys.modules[name] = module  # before it runs: its dataclasses look themselves up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # or the next call would return half a module
        raise
    return module
