"""``matsciml new``: write a plugin that works, for its author to change."""

from __future__ import annotations

import datetime
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from packaging.version import Version

from matsciml_cli.console import Row, write_heading, write_table
from matsciml_cli.state import registry_of
from matsciml_core import __version__
from matsciml_core.errors import ConfigError, DuplicateNameError
from matsciml_core.files import write_whole
from matsciml_core.registry.known_plugins import examples

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_SUFFIX = ".j2"
_RENAMED = {"gitignore": ".gitignore"}
"""Template → file, where a template of the file's own name would take effect in our tree."""


class Kind(StrEnum):
    """What a plugin can offer."""

    DATASET = "dataset"
    ENCODER = "encoder"
    TASK_HEAD = "task-head"
    STRATEGY = "strategy"
    READER = "reader"


@dataclass(frozen=True)
class _Variety:
    """What differs between the kinds, beside their templates."""

    folder_word: str
    """``matsciml-<folder_word>-<name>`` is the distribution."""
    noun: str
    try_out: str
    """Arguments of ``matsciml`` that use the new component: ``{name}`` is its name, ``{module}``
    its package, ``{dataset}`` and ``{encoder}`` are what the index names as examples."""
    purpose: str
    """What that command does, as the end of a sentence."""


_VARIETIES = {
    Kind.DATASET: _Variety(
        "data",
        "dataset",
        "run --dataset {name} --encoder {encoder}",
        "trains a model on the dataset",
    ),
    Kind.ENCODER: _Variety(
        "model", "encoder", "run --dataset {dataset} --encoder {name}", "trains the encoder"
    ),
    Kind.TASK_HEAD: _Variety(
        "head",
        "task head",
        "run --dataset {dataset} --encoder {encoder} --set head.name={name}",
        "trains a model that ends in the head",
    ),
    Kind.STRATEGY: _Variety(
        "strategy",
        "strategy",
        "run --dataset {dataset} --encoder {encoder} --strategy {name}",
        "trains a model by the strategy",
    ),
    Kind.READER: _Variety(
        "reader",
        "reader",
        "data import src/{module}/example.txt --format {name} --name example --label energy=eV",
        "makes a dataset of a file of the format",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin to be written, in the words that its templates use."""

    kind: str
    noun: str
    name: str
    """Registry name."""
    distribution: str
    """Name of the folder and of the package on the index."""
    module: str
    """Name of the import package."""
    prefix: str
    """What the names of its classes begin with."""
    author: str
    author_toml: str
    """The author as a quoted string."""
    year: int
    requirement: str
    """The releases of the core that the plugin works with."""
    try_out: str
    """A command line that uses the component."""
    purpose: str
    """What that command does."""


def new(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="What the plugin offers.", show_default=False)],
    name: Annotated[
        str, typer.Argument(help="What users will type, for example 'mine'.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder that receives the plugin's folder.")
    ] = Path(),
    author: Annotated[
        str, typer.Option("--author", help="Who holds the copyright.", show_default=False)
    ] = "",
) -> None:
    """Write a plugin that works: a package with a tested example to replace by your own code."""
    plugin = describe(kind, name, author=author)
    for spec, owner in registry_of(context).components(kind.value):
        if spec.name == name:
            raise DuplicateNameError(
                f"The name '{name}' is taken: {owner.label} offers a {plugin.noun} called so; "
                f"choose another name, or run 'pip uninstall {owner.distribution}' first."
            )
    folder = output / plugin.distribution
    write(render(plugin), folder)
    write_heading(f"Wrote the {plugin.noun} '{name}' to {folder}. What to do next:")
    steps = {
        f"cd {shlex.quote(str(folder))}": "",
        'pip install -e ".[test]"': "once; changes of the code then take effect at once",
        "python -m pytest tests": "test the code",
        f"matsciml check {name}": f"test what every {plugin.noun} promises",
        plugin.try_out: "use it",
    }
    write_table([Row(step) for step in steps.items()], indent=2)


def describe(kind: Kind, name: str, *, author: str = "") -> Plugin:
    """Derive everything the templates need from a name.

    Args:
        kind: What the plugin offers.
        name: Registry name of the component.
        author: Who holds the copyright; empty: the authors of the plugin, unnamed.

    Returns:
        The plugin.

    Raises:
        ConfigError: The name cannot be that of a component, a package and a class at once.
    """
    # A name must do as a registry name, as part of a package name, and as that of a class.
    if not _NAME.fullmatch(name):
        candidate = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        example = f", for example '{candidate}'" if _NAME.fullmatch(candidate) else ""
        raise ConfigError(
            f"'{name}' cannot name a plugin; begin with a lower-case letter, go on with lower-case "
            f"letters and digits, and put single '-' or '_' between them{example}."
        )
    variety = _VARIETIES[kind]
    distribution = f"matsciml-{variety.folder_word}-{name.replace('_', '-')}"
    author = " ".join(author.split()) or f"The authors of {distribution}"
    module = distribution.replace("-", "_")
    return Plugin(
        kind=kind.value,
        noun=variety.noun,
        name=name,
        distribution=distribution,
        module=module,
        prefix="".join(word.capitalize() for word in re.split("[-_]", name)),
        author=author,
        author_toml=json.dumps(author, ensure_ascii=False),
        year=datetime.datetime.now(tz=datetime.UTC).year,
        requirement=f"matsciml{compatible_releases(__version__)}",
        try_out="matsciml " + variety.try_out.format(name=name, module=module, **examples()),
        purpose=variety.purpose,
    )


def compatible_releases(version: str) -> str:
    """Return the range of core releases that a plugin written for one release can expect.

    Before 1.0 a minor release may break plugins, from then on only a major one.

    >>> compatible_releases("0.3.1"), compatible_releases("2.4.0")
    ('>=0.3,<0.4', '>=2.4,<3')
    """
    release = Version(version)
    major, minor = release.major, release.minor
    limit = f"{major + 1}" if major else f"0.{minor + 1}"
    return f">={major}.{minor},<{limit}"


def render(plugin: Plugin) -> dict[str, str]:
    """Fill in the templates.

    Args:
        plugin: The plugin to be written.

    Returns:
        Content by path within the plugin's folder, sorted by path.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("matsciml_cli", "templates/plugin"),
        autoescape=False,  # the files are code, not HTML
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    files = {}
    for template in environment.list_templates(extensions=[_SUFFIX.removeprefix(".")]):
        part, _, path = template.removesuffix(_SUFFIX).partition("/")
        if part in ("common", plugin.kind):
            file = _RENAMED.get(path, path).replace("MODULE", plugin.module)
            files[file] = environment.get_template(template).render(asdict(plugin))
    return dict(sorted(files.items()))


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write files into a folder that does not exist yet.

    Args:
        files: Content by path within the folder.
        folder: The folder to create, with those above it.

    Raises:
        ConfigError: The folder exists, or cannot be created.
    """
    try:
        folder.mkdir(parents=True)  # fails where it exists: nothing is ever overwritten
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / path, text.encode())
    except FileExistsError as error:
        sentence = f"'{folder}' cannot be created, because a file is in the way; use another"
        if folder.exists():
            sentence = (
                f"'{folder}' exists already and is left as it is; choose another name, remove it "
                "first, or use another"
            )
        raise ConfigError(f"{sentence} --output.") from error
    except OSError as error:
        raise ConfigError(
            f"'{folder}' cannot be written: {error.strerror}; name another folder with --output."
        ) from error
