"""Command lines that careless hands could type, made anew from a seed, with damaged files beside.

Each begins as an honest command. One to three things are changed in it: a value, an option more or
less, a word twice, or some bytes of a file that it reads. Values of options that would only take
long, such as a million steps, are left out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matsciml_cli.app import as_command
from matsciml_cli.commands import COMMANDS
from matsciml_core.registry.manager import Registry

SEED = 20260401
NUMBERS = ("nan", "inf", "-inf", "", "one", "1e", "0x", "--1", "1,5", "½")
"""What no number is, or none that anything can be computed with."""
TEXTS = (
    *NUMBERS, " ", "-1", "0", "1", "7", "1e400", "-1e-400", "99999999999999999999", "..", ".",
    "/dev/null", "a/../b", "\x1b[2J", "\u202eabc", "日本", "a" * 300, "a" * 5000, "{", "[1,",
    "&a [*a]", "!!python/object:os.system x", "%s%n", "'", '"', "=", "==", "a=b", "energy",
    "energy=", "energy=eV", "energy=eV:kbar", "energy=furlong", "forces=eV/Å", "-", "--", "true",
    "null", "a,b", "0.5,0.5", "0.8,0.1,0.1", "crystals.xyz", "missing.xyz", "model", "config.yaml",
    "table.csv", "split.json", "*", "~", "$HOME", "crystals.xyz/x", "\udcff", "cpu", "gpu", "lips",
    "tiny", "egnn", "random", "tiny:test", "model:test", "training.epochs=1", "training.seed=-1",
    "encoder.width=0", "encoder.cutoff=nan", "encoder.cutoff=1e9", "training=5", "x.y.z=1",
    "training.batch_size=yes", "split.name=null", "max_atoms=0", "encoder={}", "a" * 20 + "=1",
)  # fmt: skip
LENGTHY = frozenset(
    {
        *("--steps", "--epochs", "--number", "--minutes", "--levels", "--guide-steps", "--seeds"),
        *("--trials", "--points", "--images"),
    }
)
"""Options whose large values are a wish that takes long."""
SMALL = ("0", "-1", "1", "2", *NUMBERS)
_GROUPS = ("data", "env", "matbench")
"""Commands that are followed by another."""
_FILES = ("crystals.xyz", "config.yaml", "table.csv", "split.json")
_MODEL_FILES = (
    "model.json", "model.safetensors", "run.json", "config.yaml", "metrics.csv",
    "predictions-test.csv", "segments.json", "checkpoints/last.ckpt",
)  # fmt: skip


@dataclass(frozen=True)
class Honest:
    """A command as it should be typed.

    Args:
        words: What follows ``matsciml``.
        count: How many strange ones are made of it.
        least: Fewest changes.
        files: Files that it reads, which may be damaged.
        never: Options that no change adds.
    """

    words: tuple[str, ...]
    count: int
    least: int = 1
    files: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The subcommand."""
        return " ".join(self.words[: 2 if self.words[0] in _GROUPS else 1])


@dataclass(frozen=True)
class Strange:
    """A command with something wrong in it."""

    words: tuple[str, ...]
    damaged: tuple[str, ...] = ()
    """Files to damage before it is run."""
    refused: bool = False
    """Whether it must be refused: an option that is a number has none."""
    seed: int = field(default=0, compare=False)


_MODEL = tuple(f"model/{name}" for name in _MODEL_FILES)
_GENERATOR = ("generator/model.json", "generator/model.safetensors")
_CHEAP = ("--relax", "none", "--steps", "2")
_RUN = ("run", "--dataset", "tiny", "--encoder", "egnn", "--epochs", "1", "--no-baselines")
# 'ui' is not among them: one that is done serves until Ctrl-C.
HONEST = (
    Honest((*_RUN, "--output", "runs", "--device", "cpu"), 170, least=2),
    Honest(("run", "--config", "config.yaml", "--output", "runs"), 110, 2, _FILES[1:2]),
    Honest(("run", "--resume", "model"), 60, 1, _MODEL),
    Honest(("run", "--config", "config.yaml", "--folds", "2", "--output", "f"), 40, 1, _FILES[1:2]),
    Honest(("folds", "--config", "config.yaml", "--number", "2", "-o", "f"), 40, 1, _FILES[1:2]),
    Honest(("lr-find", "--config", "config.yaml", "--steps", "20"), 40, 1, _FILES[1:2]),
    Honest(
        (
            *("sweep", "--config", "config.yaml", "--trials", "1"),
            *("--vary", "training.learning_rate=1e-3..1e-2:log"),
        ),
        20,
        1,
        _FILES[1:2],
        never=("--launcher",),
    ),
    Honest(("predict", "model", "crystals.xyz", "-o", "p.csv"), 180, 1, (*_FILES[:1], *_MODEL[:2])),
    Honest(
        ("data", "import", "crystals.xyz", "--name", "mine", "--label", "energy=eV"),
        220,
        1,
        _FILES[:1],
    ),
    Honest(
        (
            *("data", "import", "crystals.xyz", "--table", "table.csv", "--name", "mine"),
            *("--label", "width=Å"),
        ),
        60,
        1,
        _FILES[2:3],
    ),
    Honest(("data", "convert", "crystals.xyz", "--from", "toolkit", "--dataset", "lips"), 60),
    Honest(("data", "fetch", "emt"), 40, never=("--launcher",)),
    Honest(("data", "info", "tiny"), 70),
    Honest(("data", "list"), 20),
    Honest(("data", "split", "tiny", "--by", "random", "--seed", "1"), 120, 1),
    Honest(("data", "split", "tiny", "--from", "split.json"), 70, 1, _FILES[3:]),
    Honest(("data", "leaks", "tiny"), 70),
    Honest(("list-plugins",), 40),
    Honest(("list-tasks",), 20),
    Honest(("info", "egnn"), 60),
    Honest(("doctor",), 20),
    Honest(("new", "dataset", "theirs"), 60),
    Honest(("check", "nonsense"), 30),
    Honest(("report", "model"), 90, 1, _MODEL),
    Honest(("leaderboard", "model", "-o", "site"), 60, 1, _MODEL),
    Honest(("export", "model", "--to", "out"), 90, 1, _MODEL[:3]),
    Honest(
        (
            *("generate", "generator", "--number", "1", "--levels", "2", "--steps", "1"),
            *("-o", "g.xyz"),
        ),
        60,
        1,
        _GENERATOR,
    ),
    Honest(
        (
            *("evaluate-crystals", "one.xyz", "--reference", "crystals.xyz", "--no-coverage"),
            *("--workers", "1", "-o", "e"),
        ),
        60,
        1,
        ("one.xyz",),
    ),
    Honest(
        (
            *("reconstruct", "generator", "--dataset", "one.xyz", "--levels", "2", "--steps", "1"),
            *("--workers", "1"),
        ),
        40,
        1,
        _GENERATOR,
    ),
    Honest(
        (
            *("evaluate-crystals", "one.xyz", "--reference", "crystals.xyz", "--no-coverage"),
            *("--reference-train", "crystals.xyz", "--baselines", "--workers", "1"),
        ),
        30,
        1,
        ("one.xyz",),
    ),
    Honest(
        ("relax", "model", "one.xyz", "--steps", "2", "-o", "r.xyz"),
        100,
        1,
        ("one.xyz", *_MODEL[:2]),
    ),
    Honest(
        ("md", "model", "one.xyz", "--steps", "2", "-o", "m.extxyz"),
        120,
        1,
        ("one.xyz", *_MODEL[:2]),
    ),
    Honest(("eos", "model", "one.xyz", "--points", "5", *_CHEAP), 40, 1, ("one.xyz",)),
    Honest(("elastic", "model", "one.xyz", "--clamped", *_CHEAP), 40, 1, ("one.xyz",)),
    Honest(
        ("phonons", "model", "one.xyz", "--supercell", "2", "--mesh", "9", *_CHEAP),
        40,
        1,
        ("one.xyz", "model/model.json"),
    ),
    Honest(
        (
            *("barrier", "model", "one.xyz", "moved.xyz", "--keep-ends", "--images", "1"),
            *("--steps", "2"),
        ),
        40,
        1,
        ("one.xyz", "moved.xyz"),
    ),
    Honest(
        ("surface", "model", "one.xyz", "--miller", "1,0,0", "--thickness", "4", *_CHEAP),
        40,
        1,
        ("one.xyz",),
    ),
    Honest(
        (
            *("vacancy", "model", "one.xyz", "--element", "Cl", "--reference", "chlorine.xyz"),
            *("--supercell", "2", *_CHEAP),
        ),
        40,
        1,
        ("one.xyz", "chlorine.xyz"),
    ),
    Honest(
        ("select", "1", "model", "moved.xyz", "--by", "diversity"), 50, 1, ("moved.xyz", *_MODEL)
    ),
    Honest(("ensemble", "model", "other"), 50, 1, _MODEL[:3]),
    Honest(("lammps", "model", "in.script", "--elements", "Na,Cl"), 30, 1, ("in.script",)),
    Honest(("convert-mace", "weights.pt"), 30, 1, ("weights.pt",)),
    Honest(("convert-mattersim", "weights.pt"), 30, 1, ("weights.pt",)),
    Honest(("convert-orb", "weights.pt"), 30, 1, ("weights.pt",)),
    Honest(("matbench", "list"), 10),
    Honest(("matbench", "prepare", "phonons", "--file", "crystals.xyz"), 30, 1, _FILES[:1]),
    Honest(("matbench", "record", "folds"), 40, 1, ("folds/folds.json",)),
    Honest(("env", "list"), 10),
    Honest(("env", "create", "theirs", "matsciml", "--alone"), 20),
    Honest(("env", "check", "theirs"), 20),
    Honest(("env", "remove", "theirs"), 20),
    Honest(("benchmark", "table2", "--budget", "devset", "--list"), 60),
    Honest(("reproduce", "table2/none"), 40),
)


def strange(honest: Honest, registry: Registry) -> Iterator[Strange]:
    """Yield strange commands made of an honest one.

    Args:
        honest: The honest command.
        registry: Where its options are looked up.
    """
    numbers = random.Random(f"{SEED} {' '.join(honest.words)}")
    options = _options(honest, registry)
    for index in range(honest.count):
        words, damaged = list(honest.words), []
        for _ in range(numbers.randint(honest.least, honest.least + 1)):
            if honest.files and numbers.random() < 0.4:
                damaged.append(numbers.choice(honest.files))
                continue
            _change(words, options, numbers, kept=len(honest.name.split()))
        if honest.words[-1] == "--list" and "--list" not in words:
            words.append("--list")  # what is listed runs nothing
        refused = _must_be_refused(words, options)
        yield Strange(tuple(words), tuple(damaged), refused, seed=index)


def damage(path: Path, numbers: random.Random) -> None:
    """Change, remove or repeat some bytes of a file, or put something else into its place."""
    if not path.is_file():
        return
    data = bytearray(path.read_bytes() or b"\n")
    way = numbers.randrange(6)
    if way == 0:
        del data[numbers.randrange(len(data)) :]
    elif way == 1:
        data = bytearray(
            numbers.choice([b"", b"\x00" * 100, b"[" * 2000, b"\xff\xfe", b"{}", b"- a"])
        )
    else:
        for _ in range(numbers.randint(1, 6)):
            place = numbers.randrange(len(data))
            data[place : place + numbers.randint(0, 4)] = numbers.choice(
                [b"", b"nan", b"-1", b"\xff", b"1e999", b"\n", b'"', b"\x1b[2J", b"0", b"a" * 50]
            )
            data = data or bytearray(b"0")
    path.write_bytes(bytes(data))


def _change(words: list[str], options: dict[str, Any], numbers: random.Random, kept: int) -> None:
    """Change one thing in a command line."""
    way = numbers.randrange(10)
    places = range(kept, len(words))
    if not options and not places:
        words.append(numbers.choice(TEXTS))
        return
    if (way < 6 and options) or not places:
        name = numbers.choice(sorted(options))
        option = options[name]
        if getattr(option, "is_flag", False):
            words.append(name)
            return
        value = numbers.choice(SMALL if name in LENGTHY else TEXTS)
        if name in words[:-1]:
            words[words.index(name) + 1] = value
        else:
            words += [name, value]
        return
    place = numbers.choice(places)
    if way == 6:
        del words[place]
    elif way == 7:
        words.insert(place, words[place])
    elif words[place - 1] not in LENGTHY:
        words[place] = numbers.choice(TEXTS)


def _must_be_refused(words: list[str], options: dict[str, Any]) -> bool:
    """Return whether an option that is a number has none."""
    before = zip(["", *words], words, words[1:], strict=False)
    return "--" not in words and any(
        name in options
        and options[name].type_descriptor.annotation in (int, float)
        and value in NUMBERS
        and previous not in options
        and words.count(name) == 1
        for previous, name, value in before
    )


def _options(honest: Honest, registry: Registry) -> dict[str, Any]:
    """Return the options of a command by their longest names."""
    name, *rest = honest.name.split()
    spec = next((spec for spec in COMMANDS if spec.name == name), None) or registry.get(
        "command", name
    )
    command = as_command(name, spec.load())
    for part in rest:
        command = command.commands[part]
    named = {max(one.opts, key=len): one for one in command.params if one.opts[0][0] == "-"}
    return {key: one for key, one in named.items() if key not in ("--help", *honest.never)}
