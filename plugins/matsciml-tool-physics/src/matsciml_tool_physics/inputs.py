"""Model and structures of a command, and what its results say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matsciml_core.convert import to_ase
from matsciml_core.model.inputs import read_one
from matsciml_core.model.trained import load
from matsciml_util_potential.calculator import ModelCalculator
from matsciml_util_potential.held import check_held

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

SCHEMA = 1
"""Of the JSON files."""


@dataclass(frozen=True, kw_only=True)
class Computation:
    """Where numbers come from: the model, the structure, the settings."""

    model_name: str
    """Name of a pretrained model, or of the model's folder."""
    model_identity: str
    """Digest of weights, precision and device."""
    file: str
    formula: str
    settings: dict[str, Any] = field(default_factory=dict)
    citations: Sequence[str] = ()
    """BibTeX."""

    def as_data(self) -> dict[str, Any]:
        """Return what the JSON file of every property begins with."""
        return {
            "schema": SCHEMA,
            "model": {"name": self.model_name, "identity": self.model_identity},
            "structure": {"file": self.file, "formula": self.formula},
            "settings": self.settings,
        }


def open_inputs(
    run: Path,
    files: Sequence[Path],
    registry: Registry,
    *,
    form: str | None,
    options: Mapping[str, Any],
    device: str,
    precision: str | None,
    settings: dict[str, Any],
) -> tuple[Computation, list[Any]]:
    """Load a model, and read structures that it computes.

    Args:
        run: Folder of a run or of an exported model, or a pretrained model's name.
        files: Files with one structure each; the order of their atoms is kept.
        registry: Where models and readers are looked up.
        form: Format of the files; None: by their names.
        options: Settings of the format, as plain data.
        device: Where the model computes.
        precision: ``float32`` or ``float64``; None: the model's.
        settings: What the results shall say of the command.

    Returns:
        The record of the computation, and ASE Atoms with a calculator that all of them share.

    Raises:
        ConfigError: There is no such model, or it predicts no energy.
        DataError: A file cannot be used, or has elements that the model has never seen.
    """
    model = load(run, device=device, precision=precision, registry=registry)
    calculator = ModelCalculator(model)
    structures = []
    for file in files:
        crystal = read_one(file, form, registry, options)
        check_held(crystal)
        atoms = to_ase(crystal)
        atoms.calc = calculator
        structures.append(atoms)
    pretrained = model.description.get("pretrained") or {}
    record = Computation(
        model_name=str(pretrained.get("name") or model.folder.name),
        model_identity=model.identity,
        file=" ".join(file.name for file in files),
        formula=structures[0].get_chemical_formula(),
        settings=settings,
        citations=[str(entry) for entry in model.description.get("citations") or ()],
    )
    return record, structures
