"""OUTCAR and XDATCAR of VASP, as ASE reads them: whole trajectories."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from ase.io import iread

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import InputFile, Reader, Record
from matsciml_core.errors import DataError
from matsciml_reader_ase.trajectory import frame_from_atoms


class CodeReader(Reader):
    """Reads the steps of an output with ASE's reader of its format.

    ASE 3.29 gives an OUTCAR the constraints of a POSCAR or CONTCAR that merely lies beside it, so
    constraints are kept where the output itself has them.
    """

    form: ClassVar[str]
    """ASE's name of the format."""
    own_constraints: ClassVar[bool] = True
    """Whether the constraints that ASE reads stand in the file itself."""
    renamed: ClassVar[dict[str, str]] = {}
    """ASE's name of a result → a name that says what it is."""

    def read(self, file: InputFile) -> Iterator[Record]:
        """Yield the complete steps; what follows the last of them as a rejection.

        Args:
            file: The file.

        Raises:
            DataError: There is no complete step in it.
        """
        count = 0
        path = file.plain_path()
        fault = ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                # Named, lest ASE choose by content what a file from elsewhere is read with.
                images: Any = iread(str(path), index=":", format=self.form)
                for atoms in images:
                    if not self.own_constraints:
                        atoms.set_constraint()
                    frame = frame_from_atoms(atoms, f"{file.stem}-{count:06d}")
                    values = {self.renamed.get(k, k): v for k, v in frame.values.items()}
                    yield replace(frame, values=values)
                    count += 1
            except Exception as error:  # of a reader of text that ends anywhere
                fault = f"{type(error).__name__}: {error}"
        if not count:
            raise DataError(
                f"'{path}' has no complete step that ASE's reader '{self.form}' finds"
                f"{f' ({fault})' if fault else ''}; was the calculation cut in its first?"
            )
        if fault:
            reason = "What follows cannot be read: the calculation was cut, or the file is damaged."
            yield Rejection(f"{file.stem}-{count:06d}", reason, f"{reason[:-1]} ({fault}).")


class OutcarReader(CodeReader):
    """Reads VASP's OUTCAR."""

    form = "vasp-out"
    own_constraints = False
    # Forces belong to the free energy, and ASE's energy is the one without smearing.
    renamed: ClassVar[dict[str, str]] = {"energy": "energy_sigma0"}


class XdatcarReader(CodeReader):
    """Reads VASP's XDATCAR, which has structures alone."""

    form = "vasp-xdatcar"
