"""Exporting a model as a folder that PyTorch alone can use: pt2 files, and a script to run them."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from matsciml_core import load
from matsciml_core.errors import ConfigError
from matsciml_core.files import copy_whole, delivering, write_json, write_whole
from matsciml_core.interfaces.elements import atomic_number
from matsciml_core.model.trained import TrainedModel
from matsciml_core.training.run_folder import SUMMARY
from matsciml_tool_export.card import ModelCard
from matsciml_tool_export.export import (
    CARD,
    CITATIONS,
    check_target,
    citations_text,
    for_card,
    read_summary,
)
from matsciml_tool_export.exported_model import ExportedModel
from matsciml_tool_export.program import INPUTS, Program, trace

PORTABLE = "model.pt2"
COMPILED = "compiled.pt2"
PROGRAM = "program.json"
SCRIPT = "exported_model.py"
FILES = (PORTABLE, COMPILED, PROGRAM, SCRIPT, CARD, CITATIONS)
"""What such a folder holds, the compiled program where it could be made."""
_USAGE = """\
PyTorch {torch} and NumPy are all that is needed; `{script}` shows how the files are read.

```python
from exported_model import ExportedModel

model = ExportedModel("FOLDER")
results = model(numbers, positions, cell)  # atomic numbers; Å; Å, lattice vectors as rows
```

{results}

`{portable}` runs wherever PyTorch does. `{compiled}`, where it is there, is machine code: faster,
for the kind of processor and the version of PyTorch that it was made with. Both are programs:
load those of people whom you trust."""


@dataclass(frozen=True, kw_only=True)
class ExportedProgramFolder:
    """What was written."""

    folder: Path
    compiled: bool
    """Whether there is a compiled program."""
    note: str = ""
    """Why there is none, where one was to be made."""


def export_program(
    run: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    name: str = "",
    licence: str = "",
    replace: bool = False,
    precision: str | None = None,
    dataset: str | None = None,
    compiled: bool = True,
) -> ExportedProgramFolder:
    """Write a model as pt2 files, with a script that needs neither this project nor its plugins.

    Each file is run on two structures before it is kept, and must give what the model gives.

    Args:
        run: A run folder, an exported model, or the name of a pretrained one.
        folder: Where to write.
        name: What the model is called; empty: as the run folder.
        licence: Licence of the model, as an SPDX identifier.
        replace: Whether to replace such an export in the folder.
        precision: ``float32`` or ``float64``; None: the one it was trained in.
        dataset: Which energy, where the model predicts those of several datasets.
        compiled: Whether to compile it, too, where there is a C++ compiler.

    Returns:
        What was written.

    Raises:
        ConfigError: The model cannot be exported, or the folder cannot be written.
        DataError: A file of the model is damaged.
    """
    target = Path(folder)
    model = load(run, device="cpu", precision=precision)
    check_target(target, model.folder, FILES, {PORTABLE, PROGRAM}, replace=replace)
    program = trace(model, dataset)
    name = name or model.folder.name
    description = {**describe(model, program), "name": name}
    note = ""
    try:
        target.mkdir(parents=True, exist_ok=True)
        with delivering(target) as part, without_warnings():
            torch.export.save(program.graph, part / PORTABLE)
            write_json(part / PROGRAM, description)
            program.check(ExportedModel(part).run)
            if compiled:
                note = _compile(program, part / COMPILED)
            copy_whole(Path(__file__).with_name(SCRIPT), part / SCRIPT)
            write_card(model, _usage(description), name, licence, part)
        if note or not compiled:  # one of an earlier export is not of this model
            (target / COMPILED).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder '{folder}' cannot be written ({error.strerror}); name another with --to."
        ) from error
    return ExportedProgramFolder(folder=target, compiled=compiled and not note, note=note)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Silence what PyTorch says about parts of itself while it writes and compiles programs."""
    loggers = [logging.getLogger(name) for name in ("torch._inductor", "torch._export", "torch.fx")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def describe(model: TrainedModel, program: Program) -> dict[str, Any]:
    """Return what a user of a program must know of it, as plain data.

    Args:
        model: The model.
        program: What was traced of it.
    """
    neighbours = model.encoder.neighbours
    return {
        "encoder": model.description.get("encoder", {}).get("name", ""),
        "elements": model.elements,
        "atomic_numbers": None
        if model.elements is None
        else [atomic_number(name) for name in model.elements],
        "dtype": str(model.dtype).removeprefix("torch."),
        "cutoff": neighbours.cutoff if neighbours else None,
        "max_neighbours": neighbours.max_neighbours if neighbours else None,
        "min_atoms": program.min_atoms,
        "inputs": list(INPUTS),
        "outputs": [asdict(output) for output in program.outputs],
        "torch": torch.__version__,
    }


def _compile(program: Program, path: Path) -> str:
    """Compile the program by AOTInductor, and return why that failed, or nothing."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"there is no C++ compiler '{compiler}'"
    try:
        # Inductor writes beside the package what it packs.
        with tempfile.TemporaryDirectory() as scratch:
            package = str(Path(scratch) / COMPILED)
            torch._inductor.aoti_compile_and_package(program.graph, package_path=package)
            program.check(torch._inductor.aoti_load_package(package))
            copy_whole(Path(package), path)
    except Exception as error:  # of a compiler, whatever it is
        return str(error).strip().partition("\n")[0]
    return ""


def _usage(description: Mapping[str, Any]) -> str:
    """Return how a program is used, in Markdown."""
    rows = [f"- `{one['name']}`: {one['unit']}, per {one['per']}" for one in description["outputs"]]
    return _USAGE.format(
        torch=torch.__version__.partition("+")[0],
        script=SCRIPT,
        results="\n".join(rows),
        portable=PORTABLE,
        compiled=COMPILED,
    )


def write_card(model: TrainedModel, usage: str, name: str, licence: str, folder: Path) -> None:
    """Write the card and what to cite; of a pretrained model, which has no run, how to use it.

    Args:
        model: The model.
        usage: How the files beside the card are used, in Markdown.
        name: What the model is called.
        licence: Its licence, as an SPDX identifier, or nothing.
        folder: Where the card is written.
    """
    if not (model.folder / SUMMARY).is_file():
        write_whole(folder / CARD, f"# {for_card(name)}\n\n{usage}\n".encode())
        return
    summary = read_summary(model.folder, str(model.folder), exported=True)
    card = ModelCard(
        name=for_card(name),
        run=for_card(summary),
        model=for_card(model.description),
        licence=for_card(licence),
        usage_text=usage,
    )
    write_whole(folder / CARD, card.markdown().encode())
    write_whole(folder / CITATIONS, citations_text(summary).encode())
