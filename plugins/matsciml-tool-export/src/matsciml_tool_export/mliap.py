"""Exporting a force model as a file for ``pair_style mliap unified`` of LAMMPS."""

from __future__ import annotations

import importlib.util
import os
import pickle
import sys
from pathlib import Path

import torch

from matsciml_core import load
from matsciml_core.errors import ConfigError
from matsciml_core.files import copy_whole, delivering, write_json, write_whole
from matsciml_core.interfaces.elements import atomic_number
from matsciml_tool_export.export import CARD, CITATIONS, check_target
from matsciml_tool_export.portable import PORTABLE, PROGRAM, describe, write_card
from matsciml_tool_export.program import trace

FILE = "model.pickle"
"""What LAMMPS reads. Not ``.pt``: LAMMPS gives such a file to ``torch.load``, which refuses classes
since PyTorch 2.6."""
SCRIPT = "mliap_model.py"
FILES = (FILE, PORTABLE, PROGRAM, SCRIPT, CARD, CITATIONS)
"""What such a folder holds."""
_USAGE = """\
For a LAMMPS with the package ML-IAP and its Python coupling (`MLIAP_ENABLE_PYTHON`), in one
process, with PyTorch {torch} and NumPy in its Python. `{script}` must be found, too:

```sh
PYTHONPATH=FOLDER lmp -in in.lmp
```

```text
units metal
pair_style mliap unified FOLDER/{file}
pair_coeff * * {elements}
```

`pair_coeff` names the element of each atom type, in order. `{file}` is a pickle, and `{portable}` a
program: load those of people whom you trust. Energies of single atoms are not known (NaN)."""


def export_mliap(
    run: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    name: str = "",
    licence: str = "",
    replace: bool = False,
    precision: str | None = None,
    dataset: str | None = None,
) -> Path:
    """Write a model as a file that LAMMPS's ML-IAP loads, with the script that it needs.

    LAMMPS gives the vectors to the neighbours of each atom, and takes a force along each of them;
    the program that is written returns these derivatives of the energy, and is compared with the
    model before it is kept.

    Args:
        run: A run folder, an exported model, or the name of a pretrained one.
        folder: Where to write.
        name: What the model is called; empty: as the run folder.
        licence: Licence of the model, as an SPDX identifier.
        replace: Whether to replace such an export in the folder.
        precision: ``float32`` or ``float64``; None: the one it was trained in.
        dataset: Which energy, where the model predicts those of several datasets.

    Returns:
        The file.

    Raises:
        ConfigError: The model cannot be exported in this way, or the folder cannot be written.
        DataError: A file of the model is damaged.
    """
    target = Path(folder)
    model = load(run, device="cpu", precision=precision)
    check_target(target, model.folder, FILES, {FILE, SCRIPT}, replace=replace)
    if not model.elements:
        raise ConfigError(
            "The model does not say which elements it knows, and LAMMPS asks for them; use "
            "matsciml lammps."
        )
    program = trace(model, dataset, by_edge=True)
    program.check(program.graph.module())
    name = name or model.folder.name
    numbers = [atomic_number(element) for element in model.elements]
    description = {**describe(model, program), "name": name, "numbers": numbers}
    usage = _USAGE.format(
        torch=torch.__version__.partition("+")[0],
        script=SCRIPT,
        file=FILE,
        portable=PORTABLE,
        elements=" ".join(model.elements[:2]),
    )
    try:
        target.mkdir(parents=True, exist_ok=True)
        with delivering(target) as part:
            torch.export.save(program.graph, part / PORTABLE)
            write_json(part / PROGRAM, description)
            copy_whole(Path(__file__).with_name(SCRIPT), part / SCRIPT)
            write_whole(part / FILE, _pickled(part))
            write_card(model, usage, name, licence, part)
    except OSError as error:
        raise ConfigError(
            f"The folder '{folder}' cannot be written ({error.strerror}); name another with --to."
        ) from error
    return target / FILE


def _pickled(folder: Path) -> bytes:
    """Return the model of a folder as a pickle that names the script beside it, and not this."""
    name = Path(SCRIPT).stem
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(SCRIPT))
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"'{SCRIPT}' is not among the files of this package")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # where pickle looks the class up
    try:
        spec.loader.exec_module(module)
        return pickle.dumps(module.MLIAPModel.of(folder))
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
