"""Fixtures for every test: plugins written by hand, without pip."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

_NUMBER = count()


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Use an empty data folder, so that a developer's own datasets do not show up in tests."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATSCIML_DATA", str(folder))
        yield folder


class PluginFolder:
    """A folder of distributions as pip would have left them in ``site-packages``."""

    def __init__(self, path: Path) -> None:
        """Use an empty folder."""
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
        modules: dict[str, str] | None = None,
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
        package = f"{distribution.replace('-', '_')}_{next(_NUMBER)}"
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

    def add_metadata(
        self,
        distribution: str,
        entry_points: str | None,
        *,
        version: str = "0.1.0",
        requires: Sequence[str] = (),
    ) -> Path:
        """Write the metadata of a distribution, and return their folder."""
        folder = f"{distribution.replace('-', '_')}-{version}.dist-info"
        headers = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        headers += [f"Requires-Dist: {line}" for line in requires]
        self.write(f"{folder}/METADATA", "\n".join(headers) + "\n\nRequires-Dist: not-a-header\n")
        if entry_points is not None:
            self.write(f"{folder}/entry_points.txt", entry_points)
        return self.path / folder

    def write(self, name: str, text: str) -> Path:
        """Write a file, and return its path."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginFolder]:
    """Give a folder for plugins, from which Python imports until the test ends."""
    for variable in ("MATSCIML_PLUGINS", "MATSCIML_STRICT", "MATSCIML_TRACE"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield PluginFolder(folder)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
