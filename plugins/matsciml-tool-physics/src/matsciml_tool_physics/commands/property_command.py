"""What the commands share: outputs are checked, inputs opened, and results written and shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from matsciml_cli.console import Row, warn, write_line, write_table
from matsciml_cli.failures import NOTHING_WRITTEN, telling_on_stop
from matsciml_cli.option_records import takes_options
from matsciml_cli.outputs import check_output
from matsciml_cli.structure_options import StructureOptions
from matsciml_cli.threads import leave_room

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry
    from matsciml_tool_physics.inputs import Computation
    from matsciml_tool_physics.property_page import PropertyPage

_ENDINGS = ("html", "json", "csv", "md")
"""Of the files that every command writes."""

CrystalFile = Annotated[Path, typer.Argument(metavar="FILE", help="File with one crystal.")]
RelaxedFirst = Annotated[
    Literal["none", "atoms", "full"],
    typer.Option("--relax", help="What of the crystal is relaxed first; full: cell and atoms."),
]
LargestForce = Annotated[
    float, typer.Option("--fmax", min=1e-8, help="Largest force that is left, eV/Å.")
]
Steps = Annotated[int, typer.Option(min=1, help="Most steps of a relaxation.")]


def property_command(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the options of every property, and tell what is left when it is stopped.

    Args:
        command: It imports torch within, and has a record of options among its parameters.
    """

    @wraps(command)
    def with_room(**values: Any) -> None:
        # Before torch is imported, which reads the number of threads.
        leave_room(os.environ)
        command(**values)

    return telling_on_stop(NOTHING_WRITTEN)(takes_options(with_room))


@dataclass(frozen=True, kw_only=True)
class ComputationOptions(StructureOptions):
    """Options of every command: how structures are read and the model is used."""

    # Forces must be known to 1e-4 eV/Å and better here, which float32 does not give.
    precision: Annotated[str, typer.Option(help="float64 or float32.")] = "float64"


@dataclass(frozen=True, kw_only=True)
class PropertyCommand:
    """A command that computes a property of structures with a model."""

    name: str
    """Of the command, and of its files without their ending."""
    options: ComputationOptions
    folder: Path
    """Of the results."""
    inputs: Sequence[Path]
    """Files with one structure each."""
    others: Sequence[str] = ()
    """Names of files beside the page, table and JSON."""

    def check(self) -> None:
        """Refuse results that would replace an input, or what may not be replaced.

        Raises:
            ConfigError: They would, or they cannot be written.
        """
        names = [*(f"{self.name}.{ending}" for ending in _ENDINGS), *self.others]
        files = [self.folder / name for name in names]
        for path in files if self.folder.exists() else [self.folder]:
            check_output(path, replace=self.options.replace, inputs=self.inputs)

    def open(
        self, run: Path, registry: Registry, settings: Mapping[str, Any]
    ) -> tuple[Computation, list[Any]]:
        """Load the model, and read the structures; see ``matsciml_tool_physics.inputs``."""
        from matsciml_core.training.config_data import parse_overrides
        from matsciml_tool_physics.inputs import open_inputs

        options = self.options
        return open_inputs(
            run,
            self.inputs,
            registry,
            form=options.form,
            options=parse_overrides(options.format_settings or ()),
            device=options.device,
            precision=options.precision,
            settings={**settings, "precision": options.precision},
        )

    def conclude(
        self,
        page: PropertyPage,
        result: Any,
        computation: Computation,
        others: Mapping[str, Callable[[Path], object]] | None = None,
    ) -> None:
        """Write the results, and show them in short with their notices.

        Args:
            page: The module with the page of the property.
            result: What was computed.
            computation: Model, structures and settings.
            others: Name of a further file → a function that writes it to the path it is given.
        """
        # Here, because they import what computes; --help needs none of it.
        from matsciml_core.files import delivering, remove_unfinished
        from matsciml_tool_physics.property_page import make_page
        from matsciml_util_pages.pages import write_page_files

        written = f"The results are in '{self.folder}'."
        content, records = make_page(page, result, computation), page.records(result)
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(self.folder)
        # What is stopped while it is written goes with the folder that delivering removes.
        with (
            telling_on_stop(written),
            delivering(self.folder) as part,
            telling_on_stop(NOTHING_WRITTEN),
        ):
            for name, write in (others or {}).items():
                write(part / name)
            write_page_files(content, records, part, self.name, page.as_data(result, computation))
        write_table([Row(row) for row in page.summary(result)])
        for notice in result.notices:
            warn(f"Warning: {notice}")
        write_line(f"Page: {self.folder / self.name}.html")
