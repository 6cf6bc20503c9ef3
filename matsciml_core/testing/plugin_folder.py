"""Plugins that tests write by hand, without pip."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

_SERIAL = count()
# Variables that change which plugins a registry sees, and how it takes their failures.
_VARIABLES = ("MATSCIML_PLUGINS", "MATSCIML_STRICT", "MATSCIML_TRACE")
_EXAMPLES = """
    from matsciml_core import hookimpl
    from matsciml_core.testing import examples

    @hookimpl
    def matsciml_datasets():
        yield examples.DATASET

    @hookimpl
    def matsciml_encoders():
        yield examples.ENCODER

    @hookimpl
    def matsciml_task_heads():
        yield examples.HEAD

    @hookimpl
    def matsciml_strategies():
        yield examples.STRATEGY
"""


class PluginFolder:
    """A folder of distributions as pip would have left them in ``site-packages``.

    Args:
        path: An empty folder.
    """

    def __init__(self, path: Path) -> None:
        """Remember the folder."""
        self.path = path
        self.search = [str(path)]
        """What ``build_registry(path=…)`` takes to see these plugins and no others."""

    def add(
        self,
        distribution: str,
        source: str,
        *,
        entry_point: str | None = None,
        version: str = "0.1.0",
        requires: Sequence[str] = (),
        modules: Mapping[str, str] | None = None,
    ) -> str:
        """Write a package with a plugin module, and the metadata of its distribution.

        Args:
            distribution: Name of the distribution, for example ``matsciml-data-mine``.
            source: Text of the module ``plugin``; ``{package}`` stands for the package's name.
            entry_point: Name of the entry point; None: the last word of the distribution's.
            version: Version of the distribution.
            requires: Its ``Requires-Dist`` lines.
            modules: Further modules of the package: name → text.

        Returns:
            The name of the package, which no other test uses.
        """
        # Python remembers imported modules, so that every test needs names of its own.
        package = f"{distribution.replace('-', '_')}_{next(_SERIAL)}"
        self.write(f"{package}/__init__.py", "")
        for name, text in {"plugin": source, **(modules or {})}.items():
            text = textwrap.dedent(text).replace("{package}", package)
            self.write(f"{package}/{name}.py", text)
        name = entry_point or distribution.rpartition("-")[2]
        self.add_metadata(
            distribution,
            f"[matsciml.plugins]\n{name} = {package}.plugin\n",
            version=version,
            requires=requires,
        )
        return package

    def add_examples(self) -> str:
        """Write a plugin that offers the example of each kind under the name ``example``.

        Returns:
            The name of its package.
        """
        return self.add("matsciml-all-example", _EXAMPLES)

    def add_metadata(
        self,
        distribution: str,
        entry_points: str | None,
        *,
        version: str = "0.1.0",
        requires: Sequence[str] = (),
    ) -> Path:
        """Write the metadata of a distribution, and return their folder.

        Args:
            distribution: Name of the distribution.
            entry_points: Text of ``entry_points.txt``; None: there is no such file.
            version: Version of the distribution.
            requires: Its ``Requires-Dist`` lines.
        """
        folder = f"{distribution.replace('-', '_')}-{version}.dist-info"
        headers = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        headers += [f"Requires-Dist: {line}" for line in requires]
        self.write(f"{folder}/METADATA", "\n".join(headers) + "\n\nRequires-Dist: not-a-header\n")
        if entry_points is not None:
            self.write(f"{folder}/entry_points.txt", entry_points)
        return self.path / folder

    def write(self, name: str, text: str) -> Path:
        """Write a file, and return its path.

        Args:
            name: Path within the folder.
            text: Content.
        """
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file


@contextmanager
def importable_plugins(path: Path) -> Iterator[PluginFolder]:
    """Make a folder of plugins that Python imports from, and every registry sees, within a block.

    Args:
        path: The folder; it must not exist.
    """
    path.mkdir()
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        for variable in _VARIABLES:
            patch.delenv(variable, raising=False)
        patch.syspath_prepend(str(path))
        yield PluginFolder(path)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(path)):
            del sys.modules[name]
