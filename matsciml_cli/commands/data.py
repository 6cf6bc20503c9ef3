"""``matsciml data``: list, fetch, import, export, convert, look at and split datasets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli._completion import complete_names
from matsciml_cli._light import LightCommand
from matsciml_cli.console import Row, write_heading, write_json, write_table
from matsciml_cli.options import FileFormat, FormatSettings, Json
from matsciml_cli.outputs import Replace
from matsciml_cli.state import registry_of
from matsciml_core.errors import ConfigError
from matsciml_core.registry.folders import data_folder
from matsciml_core.registry.imported import OWNER
from matsciml_core.registry.specs import DatasetSpec

SCHEMA = 1
"""Grows when a key of the JSON output changes its meaning or goes away."""

data = typer.Typer(
    name="data",
    help="List, fetch, import, export, convert, look at and split datasets.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
)

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name of a dataset.", autocompletion=complete_names("dataset")
    ),
]
_To = Annotated[
    Path | None,
    typer.Option("--to", help="Folder for the data; default: within MATSCIML_DATA."),
]
_Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes that convert, where the source comes in pieces; default: 1."
    ),
]
_Launcher = Annotated[
    str,
    typer.Option(help="processes, of this machine, or ray, of a Ray cluster (default: all of it)."),
]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", help="A setting of the dataset as KEY=VALUE, for example max_atoms=20."
    ),
]


@data.command("list", cls=LightCommand)
def list_datasets(context: typer.Context, as_json: Json = False) -> None:
    """List the datasets on offer, those of plugins and those that were imported.

    The JSON has the keys `schema` (1), `folder` (where data are kept) and `datasets`, each with
    `name`, `summary`, `size`, `labels`, `licence`, `source`, `distribution` and `fetchable`.
    """
    offers = registry_of(context).components("dataset")
    datasets = [(spec, record) for spec, record in offers if isinstance(spec, DatasetSpec)]
    if as_json:
        data = [
            {
                "name": spec.name,
                "summary": spec.summary,
                "size": spec.size,
                "labels": [target.name for target in spec.targets],
                "licence": spec.licence,
                "source": spec.source,
                "distribution": record.label,
                "fetchable": spec.fetch is not None,
            }
            for spec, record in datasets
        ]
        write_json({"schema": SCHEMA, "folder": str(data_folder()), "datasets": data})
        return
    rows = []
    for spec, record in datasets:
        labels = [target.name for target in spec.targets]
        # Some datasets have thirty: two tell what it is about, and "info" lists them all.
        shown = ", ".join(labels[:2]) + (f" + {len(labels) - 2}" if len(labels) > 2 else "")
        size = "" if spec.size is None else f"{spec.size:,}"
        rows.append(Row((spec.name, size, shown, record.label, spec.summary)))
    write_table(rows, header=("name", "crystals", "labels", "from", "summary"))
    write_heading(f"Data folder: {data_folder()}")


@data.command("fetch", cls=LightCommand)
def fetch(
    context: typer.Context,
    name: _Name,
    release: Annotated[
        str | None, typer.Option(help="Release of the source; default: the plugin's.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Subset, of a source that comes in subsets, such as 2M.")
    ] = None,
    to: _To = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="About this many records only, for a trial.")
    ] = None,
    workers: _Workers = None,
    launcher: _Launcher = "processes",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="A setting of the source as KEY=VALUE."),
    ] = None,
) -> None:
    """Fetch a dataset from its source, and make a store of it; continues where it stopped."""
    from matsciml_cli._data import fetch_dataset
    from matsciml_core.data.ingestion.pool import PoolConfig

    spec = registry_of(context).get("dataset", name)
    fetch_dataset(
        spec,
        release=release,
        subset=split,
        to=to,
        limit=limit,
        overrides=overrides or (),
        pool=PoolConfig(launcher=launcher, workers=workers),
    )


@data.command("import", cls=LightCommand)
def import_files(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files, or folders of files.")
    ],
    name: Annotated[str, typer.Option(help="What the dataset shall be called.")],
    label: Annotated[
        list[str] | None,
        typer.Option(help="NAME=UNIT or NAME=COLUMN:UNIT, for example gap=band_gap:eV; repeat."),
    ] = None,
    per_atom: Annotated[
        list[str] | None, typer.Option(help="A label with one value per atom; forces are known.")
    ] = None,
    format: FileFormat = None,
    settings: FormatSettings = None,
    fractional: Annotated[
        bool,
        typer.Option(
            "--fractional", help="Positions are fractions of the lattice vectors, not Cartesian."
        ),
    ] = False,
    id_column: Annotated[str | None, typer.Option("--id", help="Value that is the id.")] = None,
    trajectory: Annotated[
        str | None, typer.Option(help="Value that says which trajectory a frame belongs to.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="CSV with labels; its first column holds the ids.")
    ] = None,
    reject_outliers: Annotated[
        bool,
        typer.Option(
            "--reject-outliers",
            help="Leave out crystals whose labels lie outside the range of a known quantity.",
        ),
    ] = False,
    source: Annotated[str, typer.Option(help="Where the data come from.")] = "",
    release: Annotated[str, typer.Option(help="Version or date of the source.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data.")] = "",
    to: _To = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that read what takes long, such as CIF.")
    ] = 1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an imported dataset of that name.")
    ] = False,
) -> None:
    """Make a dataset of extended XYZ, CIF, POSCAR, CSV, JSON, ASE's files and what plugins read.

    For example: matsciml data import mine.extxyz --name mine --label energy=eV
    --label forces=eV/A; from then on, matsciml run --dataset mine finds it. matsciml list-plugins
    --kind reader lists the formats of plugins.
    """
    _reject_plugin_name(context, name)
    from matsciml_cli._data import store_conversion
    from matsciml_core.data.readers import ImportRequest, Naming, parse_files
    from matsciml_core.training.config_data import parse_overrides

    request = ImportRequest(
        paths=tuple(paths),
        labels=tuple(label or ()),
        per_atom=tuple(per_atom or ()),
        format=format,
        options=parse_overrides(settings or ()),
        fractional=fractional,
        naming=Naming(column=id_column, trajectory=trajectory),
        table=table,
        reject_outliers=reject_outliers,
        source=source,
        release=release,
        licence=licence,
        workers=workers,
    )
    conversion = parse_files(request, registry_of(context))
    store_conversion(name, conversion, to=to, replace=replace)


@data.command(cls=LightCommand)  # called like the function
def export(
    context: typer.Context,
    name: _Name,
    format: Annotated[
        str,
        typer.Option(
            help="Format to write, for example extxyz, cif, aselmdb, parquet, atp or deepmd.",
            autocompletion=complete_names("reader"),
        ),
    ] = "extxyz",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File, or folder; default: NAME in this folder."),
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="train, validation or test of the split; default: all.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Which split --subset is of; default: the dataset's own.")
    ] = None,
    overrides: _Set = None,
    replace: Replace = False,
) -> None:
    """Write a dataset to a file of some format, and show how to import that again.

    Positions, cells, labels, ids and site properties are written to the digits that the format
    keeps; what it cannot hold is said.
    """
    from matsciml_cli._data_export import ExportRequest, export_to_file

    registry = registry_of(context)
    spec = registry.get("dataset", name)
    request = ExportRequest(
        format=format, output=output, subset=subset, split=split, replace=replace
    )
    export_to_file(spec, request, registry, overrides=overrides or ())


@data.command("convert", cls=LightCommand)
def convert(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="The file or folder to convert.")],
    form: Annotated[str, typer.Option("--from", help="What wrote it, for example toolkit.")],
    dataset: Annotated[
        str,
        typer.Option(
            help="Dataset whose plugin understands it.", autocompletion=complete_names("dataset")
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="What it shall be called; default: DATASET-FORMAT.")
    ] = None,
    to: _To = None,
    workers: _Workers = None,
    launcher: _Launcher = "processes",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an imported dataset of that name.")
    ] = False,
) -> None:
    """Convert what another toolkit wrote into a dataset, its known faults fixed."""
    spec = registry_of(context).get("dataset", dataset)
    chosen = name or f"{dataset}-{form}"
    _reject_plugin_name(context, chosen)
    from matsciml_cli._data import parse_foreign, store_conversion
    from matsciml_core.data.ingestion.pool import PoolConfig

    pool = PoolConfig(launcher=launcher, workers=workers)
    conversion = parse_foreign(spec, path, form)
    store_conversion(chosen, conversion, to=to, replace=replace, pool=pool)


@data.command("info", cls=LightCommand)
def info(
    context: typer.Context,
    name: _Name,
    overrides: _Set = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every record and compare its hash.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a dataset: size, labels with their ranges, source, licence, splits, what was rejected.

    The JSON has the keys `schema` (1), `name`, `crystals`, `atoms`, `volume_per_atom`, `labels`,
    `source`, `release`, `licence`, `references`, `content_hash`, `splits`, `manifest`, `fetched`
    (what was fetched, each with `key`, `release`, `crystals` and `store`) and `verified`.
    """
    from matsciml_cli._data import show_dataset

    spec = registry_of(context).get("dataset", name)
    show_dataset(spec, overrides=overrides or (), verify=verify, as_json=as_json)


@data.command("split", cls=LightCommand)
def split(
    context: typer.Context,
    name: _Name,
    by: Annotated[
        str,
        typer.Option(
            help="random, composition, crystal-system, prototype, trajectory or time.",
        ),
    ] = "random",
    lists: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="File with lists of ids: YAML or JSON by subset, or one list per file, such as "
            "train.txt; repeat, or name a folder.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shuffle.")] = 0,
    fractions: Annotated[
        str, typer.Option(help="Shares of training, validation and test.")
    ] = "0.8,0.1,0.1",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; default: with the dataset.")
    ] = None,
    replace: Replace = False,
    overrides: _Set = None,
) -> None:
    """Split a dataset, and keep the split as a file with its hash."""
    from matsciml_cli._splits import SplitRequest, split_dataset

    spec = registry_of(context).get("dataset", name)
    request = SplitRequest(
        by=by, lists=tuple(lists or ()), seed=seed, fractions=_fractions(fractions)
    )
    split_dataset(spec, request, output=output, overrides=overrides or (), replace=replace)


@data.command("leaks", cls=LightCommand)
def leaks(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="One dataset, or several to compare.")
    ],
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split whose subsets are compared, NAME or DATASET=NAME; repeat."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            help="A setting of the datasets as KEY=VALUE, or of one as DATASET.KEY=VALUE.",
        ),
    ] = None,
    confirm: Annotated[
        bool,
        typer.Option("--confirm/--no-confirm", help="Confirm by pymatgen's StructureMatcher."),
    ] = True,
    any_space_group: Annotated[
        bool,
        typer.Option(
            "--any-space-group", help="Compare structures of different space groups, too."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Count structures that occur twice: within a dataset, between its subsets, across datasets.

    The JSON has the keys `schema` (1), `structures`, `candidates` (pairs that looked alike),
    `told_apart` (by their space groups), `confirmed`, `subsets` (names of the rows and columns),
    `sizes`, `overlaps` (structures of the row's subset that also occur in the column's) and
    `examples`.
    """
    from matsciml_cli._leaks import report_leaks

    registry = registry_of(context)
    report_leaks(
        [registry.get("dataset", name) for name in names],
        chosen=split or (),
        overrides=overrides or (),
        confirm=confirm,
        space_groups=not any_space_group,
        as_json=as_json,
    )


def _reject_plugin_name(context: typer.Context, name: str) -> None:
    for spec, record in registry_of(context).find(name):
        if spec.kind == "dataset" and record.distribution != OWNER:
            raise ConfigError(
                f"The plugin {record.label} offers a dataset '{name}' already; choose another "
                "--name."
            )


def _fractions(text: str) -> tuple[float, ...]:
    try:
        shares = tuple(float(share) for share in text.split(","))
    except ValueError:
        shares = ()
    # A run needs all three subsets. A NaN fails every comparison.
    if len(shares) != 3 or not all(0 < share < math.inf for share in shares):
        raise ConfigError(
            f"'--fractions {text}' is not understood; give three numbers above zero, such as "
            "0.8,0.1,0.1."
        )
    return shares
