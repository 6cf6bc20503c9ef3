"""The commands that documents tell people to type exist, with all their options."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from matsciml_cli import app, commands
from matsciml_core.errors import ConfigError
from matsciml_core.registry.manager import Registry, build_registry

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*/*.md")),
    *sorted((ROOT / "plugins").glob("*/README.md")),
]
FENCE = re.compile(r"^```(?:sh|console|\{code-cell\})\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^(?: {4}.*)?\n)+", re.MULTILINE)
ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
BEGINNING = re.compile(r"(?:[A-Z_]+=\S* )*(?:matsciml|make|python|cd) ")
INSTALL = "how-to/install-without-make.md"


@dataclass(frozen=True)
class Command:
    """A command line in a document."""

    document: Path
    words: tuple[str, ...]

    def __str__(self) -> str:
        """Name the test."""
        return f"{self.document.relative_to(ROOT)}: {' '.join(self.words)}"


def commands_in(document: Path) -> Iterator[Command]:
    """Yield the commands of a document's shell blocks, and of its indented ones."""
    text = document.read_text("utf-8")
    blocks = FENCE.findall(text)
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    blocks += [re.sub("^    ", "", one, flags=re.MULTILINE) for one in INDENTED.findall(outside)]
    for block in blocks:
        is_console = "\n$ " in f"\n{block}"
        for line in block.replace("\\\n", " ").splitlines():
            if not is_console or line.startswith("$ "):
                yield from commands_of(document, line.strip().removeprefix("$ "))


def commands_of(document: Path, line: str) -> Iterator[Command]:
    """Yield the commands of ours on one line of shell, or of a notebook."""
    line = line.removeprefix("!").replace(".venv/bin/", "").partition(" #")[0]
    if not BEGINNING.match(line):
        return
    for part in re.split(r"&&|;|\|", line):
        words = shlex.split(re.sub(r"\$\w+", "1", part))
        while words and ASSIGNMENT.fullmatch(words[0]):
            words.pop(0)
        if words and words[0] in ("matsciml", "make", "python"):
            yield Command(document, tuple(words))


COMMANDS = [one for document in DOCUMENTS if document.exists() for one in commands_in(document)]
OURS = [one for one in COMMANDS if one.words[0] == "matsciml" and len(one.words) > 1]


def make_targets() -> set[str]:
    """Return the targets that the Makefile lists in its help."""
    text = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))


def test_documents_hold_commands():
    found = {one.document.name for one in COMMANDS}
    assert {"README.md", "CONTRIBUTING.md", "first-run.md", "dataset-plugin.md"} <= found
    assert len(OURS) > 30


def test_the_readme_names_the_two_commands():
    words = [one.words for one in COMMANDS if one.document == ROOT / "README.md"]
    assert ("make", "run") in words
    assert ("make", "test") in words


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.words[0] == "make"], ids=str)
def test_a_make_target_exists(command):
    targets = [word for word in command.words[1:] if not ASSIGNMENT.fullmatch(word)]
    assert targets
    assert set(targets) <= make_targets()


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.words[0] == "python"], ids=str)
def test_a_script_or_module_exists(command):
    words = command.words[1:]
    if words[0] == "-m":
        assert words[1] in ("pip", "pytest", "venv", "sphinx", "build")
    elif words[0] != "-c":
        assert (ROOT / words[0]).is_file()


@pytest.mark.parametrize("command", OURS, ids=str)
def test_a_command_takes_the_options_that_are_documented(command, registry):
    arguments = [word for word in command.words[1:] if word != "--debug"]
    if arguments[0].startswith("-"):
        assert arguments[0] in ("--help", "--version", "--install-completion")
        return
    specs = {spec.name: spec for spec in (*commands.COMMANDS, *registry.specs("command"))}
    written = re.findall(r'CommandSpec\(\s*name="([\w-]+)"', command.document.read_text("utf-8"))
    if arguments[0] in written and arguments[0] not in specs:
        return  # the page itself writes the tool; its build executes the command
    assert arguments[0] in specs
    # Parses the arguments, rejects what does not exist, and runs nothing.
    command = app.as_command(arguments[0], specs[arguments[0]].load())
    command.make_context(arguments[0], list(arguments[1:]))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return build_registry()


def runs() -> Iterator[Command]:
    """Yield the documented runs of components that this repository has and can load here."""
    registry = build_registry()
    names = {spec.name for spec, _ in registry.components() if not registry.missing(spec)}
    for command in OURS:
        words = command.words
        kinds = ("--dataset", "--encoder", "--strategy")
        given = [words[i + 1] for i, word in enumerate(words) if word in kinds]
        if words[1] == "run" and len(given) >= 2 and set(given) <= names:
            yield command


@pytest.mark.parametrize("command", list(runs()), ids=str)
def test_a_documented_run_has_settings_that_exist(command, monkeypatch, capsys, tmp_path):
    started = []

    def train(config, *, registry):
        started.append(config)
        raise ConfigError("It is not trained here.")

    monkeypatch.setattr("matsciml_core.training.train.train", train)
    monkeypatch.chdir(tmp_path)
    app.execute(command.words[1:])
    message = capsys.readouterr().err
    is_shown_as_mistake = "encoder.cutof=6" in command.words
    assert bool(started) is not is_shown_as_mistake, message


def made_by(*targets: str) -> list[list[str]]:
    """Return the commands that make would run, without those that only print or touch."""
    dry_run = subprocess.run(
        ["make", "--dry-run", "--always-make", *targets],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = dry_run.stdout.replace("\\\n", " ").replace(" --quiet", "").splitlines()
    return [shlex.split(line) for line in lines if re.search(r" -m |matsciml run", line)]


@pytest.fixture(scope="module")
def plain_commands() -> list[str]:
    """Return the commands that the documentation gives to people without make."""
    install, use = FENCE.findall((ROOT / "docs" / INSTALL).read_text("utf-8"))[:2]
    return [*install.splitlines(), *use.splitlines()]


def test_the_plain_commands_are_what_make_does(plain_commands):
    assert [shlex.split(line) for line in plain_commands] == made_by("install", "run", "test")


def test_the_readme_says_the_same(plain_commands):
    readme = (ROOT / "README.md").read_text("utf-8").replace("\\\n", " ")
    shown = [" ".join(line.split()) for line in readme.splitlines()]
    assert not set(plain_commands) - set(shown)


def test_the_documented_configuration_is_valid():
    from matsciml_core.training.assemble import resolve

    page = (ROOT / "docs" / "how-to" / "use-your-own-config.md").read_text("utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    config = resolve(yaml.safe_load(example), build_registry())
    assert config.training.epochs == 50
    assert config.encoder.options["cutoff"] == 6


def test_spellings_that_are_said_to_be_the_same_are():
    from matsciml_core.training.config import normalise
    from matsciml_core.training.config_data import parse_overrides

    page = (ROOT / "docs" / "reference" / "configs.md").read_text("utf-8")
    rows = re.findall(r"^\| `--([a-z]+)[ =]\S+` \| (.*) \|$", page, re.MULTILINE)
    assert len(rows) > 5
    assert parse_overrides(["head.loss=huber"]) == {"head": {"loss": "huber"}}
    for _, cell in rows:
        texts = [text.replace("…", "name") for text in re.findall("`([^`]+)`", cell)]
        forms = [normalise(yaml.safe_load(text)) for text in texts]
        assert all(form == forms[0] for form in forms), cell
