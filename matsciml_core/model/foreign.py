"""Models that are made of weights which other programs wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.files import hash_of
from matsciml_core.model.location import DESCRIPTION
from matsciml_core.registry.targets import TargetInfo

ENERGY_LABELS = (
    TargetInfo(name="energy", kind="energy", unit="eV"),
    TargetInfo(name="forces", kind="forces", unit="eV/Å"),
    TargetInfo(name="stress", kind="stress", unit="eV/Å³"),
)
"""What interatomic potentials predict."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a file of weights does not say of itself."""

    name: str
    functional: str = ""
    licence: str = ""
    trained_on: str = ""
    seen: tuple[str, ...] = ()
    """Registry names of datasets of whose crystals most were in training."""

    def record(
        self, file: Path, elements: Sequence[str], *, isolated_atoms: bool
    ) -> dict[str, Any]:
        """Return what ``model.json`` says of the weights, as of those of a package.

        Args:
            file: The file of weights.
            elements: Symbols of the elements that it knows.
            isolated_atoms: Whether the energy of a free atom means anything.
        """
        return {
            "name": self.name,
            "distribution": "",
            "weights": file.name,
            "digest": hash_of(file),
            "functional": self.functional,
            "licence": self.licence,
            "trained_on": self.trained_on,
            "seen": list(self.seen),
            "elements": list(elements),
            "isolated_atoms": isolated_atoms,
        }


def folder_for(file: Path, output: Path | None, *, replace: bool) -> Path:
    """Return the folder to which the model of a file is written; it need not exist.

    Args:
        file: The file of weights, whose stem is the default.
        output: What the user names.
        replace: Whether a model there may be replaced.

    Raises:
        ConfigError: It is a file, or there is a model that is to be kept.
    """
    folder = output or Path(file.stem)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"'{folder}' is a file; name another folder with --output.")
    if (folder / DESCRIPTION).exists() and not replace:
        raise ConfigError(f"'{folder}' exists; give --replace, or name another --output.")
    return folder


def packaged_weights(package: str, version: str, path: str, digest: str) -> Path:
    """Return a file of weights that comes with an installed package, which is not imported.

    Args:
        package: Its name, on PyPI as in Python.
        version: The release that has the file.
        path: Of the file, within the package.
        digest: SHA-256 of the file.

    Raises:
        DataError: The package is not installed, or the file is missing or another one.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{package} is not installed; run: pip install {package}=={version}")
    file = Path(spec.submodule_search_locations[0]) / path
    if not file.is_file() or hash_of(file) != digest:
        raise DataError(
            f"'{file}' is missing or not the file of {package} {version}; install it anew with: "
            f"pip install --force-reinstall --no-deps {package}=={version}"
        )
    return file
