"""A data folder, and distributions as pip leaves them, with the list of their files."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

Write = Callable[..., Path]


def files_of(name: str, version: str, requires: Sequence[str], entry: str) -> dict[str, str]:
    """Return the metadata of a distribution as text by path, but for the list of files."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    headers = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    headers += [f"Requires-Dist: {line}" for line in requires]
    return {
        f"{folder}/METADATA": "\n".join(headers) + "\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{folder}/entry_points.txt": f"[matsciml.plugins]\n{entry}\n"} if entry else {}),
    }


@pytest.fixture(scope="session")
def write_installed() -> Write:
    """A function that writes a distribution into a folder as pip would have installed it."""

    def write(
        site: Path,
        name: str,
        version: str = "1.0",
        *,
        requires: Sequence[str] = (),
        entry: str = "",
        modules: Mapping[str, str] | None = None,
        record: bool = True,
    ) -> Path:
        files = {**files_of(name, version, requires, entry), **(modules or {})}
        folder = f"{name.replace('-', '_')}-{version}.dist-info"
        files[f"{folder}/INSTALLER"] = "pip\n"
        if record:
            files[f"{folder}/RECORD"] = "".join(f"{path},,\n" for path in files)
        for path, text in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text, encoding="utf-8")
        return site / folder

    return write


@pytest.fixture(scope="session")
def write_wheel() -> Write:
    """A function that writes a wheel, and returns its path."""

    def write(
        folder: Path,
        name: str,
        version: str = "1.0",
        *,
        requires: Sequence[str] = (),
        entry: str = "",
        modules: Mapping[str, str] | None = None,
    ) -> Path:
        files = {**files_of(name, version, requires, entry), **(modules or {})}
        stem = f"{name.replace('-', '_')}-{version}"
        files[f"{stem}.dist-info/RECORD"] = "".join(f"{path},,\n" for path in files)
        wheel = folder / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        return wheel

    return write


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty data folder, which this process uses."""
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture(scope="module")
def near() -> Iterator[Path]:
    """A folder on the disk of the installation, so that nothing that is linked is copied."""
    with tempfile.TemporaryDirectory(prefix="test-env-", dir=sys.prefix) as folder:
        yield Path(folder)
