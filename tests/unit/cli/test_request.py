"""What ``matsciml run`` is asked to do, before anything heavy is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matsciml_cli._request import read, read_changes
from matsciml_core.errors import ConfigError
from matsciml_core.registry.manager import build_registry

EMPTY = build_registry(path=[])
NO_FLAGS: dict[str, Any] = {
    "datasets": None,
    "encoder": None,
    "targets": None,
    "strategy": None,
    "output": None,
    "training": {},
}
PLUGIN = """
    from matsciml_core import DatasetSpec, EncoderSpec, TaskHeadSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(name="mine", summary="s", class_path="{package}.heavy:A")

    @hookimpl
    def matsciml_encoders():
        yield EncoderSpec(
            name="net", summary="s",
            class_path="{package}.heavy:B", config="{package}.config:NetConfig",
        )

    @hookimpl
    def matsciml_task_heads():
        yield TaskHeadSpec(
            name="number", summary="s", class_path="{package}.heavy:C", target_kinds=("scalar",)
        )
"""
CONFIG = """
    from matsciml_core import Config

    class NetConfig(Config):
        width: int = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(
        "dataset: {name: mine, max_atoms: 3}\n"
        "encoder: {name: net, width: 4}\n"
        "training: {epochs: 5, seed: 1}\n"
    )
    return path


class TestRead:
    def test_overrides_win_over_the_file_and_flags_over_both(self, file: Path) -> None:
        flags = {**NO_FLAGS, "training": {"seed": 3}}
        data = read(
            flags, file, ["training.epochs=6", "training.seed=2", "dataset.max_atoms=8"], EMPTY
        )
        assert data["training"] == {"epochs": 6, "seed": 3}
        assert data["datasets"] == [{"name": "mine", "max_atoms": 8}]

    def test_settings_belong_to_the_component_that_the_file_names(self, file: Path) -> None:
        same = read({**NO_FLAGS, "encoder": "net", "datasets": ["mine"]}, file, [], EMPTY)
        assert same["encoder"] == {"name": "net", "width": 4}
        assert same["datasets"] == [{"name": "mine", "max_atoms": 3}]
        other = read({**NO_FLAGS, "encoder": "other", "datasets": ["theirs"]}, file, [], EMPTY)
        assert other["encoder"] == {"name": "other"}
        assert other["datasets"] == [{"name": "theirs"}]

    def test_an_empty_name_is_a_name(self, file: Path) -> None:
        assert read({**NO_FLAGS, "strategy": ""}, file, [], EMPTY)["strategy"] == {"name": ""}


class TestReadChanges:
    def test_flags_win(self) -> None:
        flags = {**NO_FLAGS, "training": {"epochs": 3}}
        changes = read_changes(flags, None, ["training.epochs=2", "training.num_workers=1"])
        assert changes == {"epochs": 3, "num_workers": 1}

    @pytest.mark.parametrize(
        ("flags", "overrides"),
        [
            ({"encoder": "net"}, []),
            ({"output": "there"}, []),
            ({}, ["encoder.width=3"]),
            ({}, ["training=3"]),
        ],
    )
    def test_nothing_else_may_change(self, flags: dict[str, Any], overrides: list[str]) -> None:
        with pytest.raises(ConfigError, match="only training settings"):
            read_changes({**NO_FLAGS, **flags}, None, overrides)

    def test_a_file_may_not_be_given(self, file: Path) -> None:
        with pytest.raises(ConfigError, match="only training settings"):
            read_changes(NO_FLAGS, file, [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "mine", "--encoder", "nett"], "Did you mean 'net'?"),
        (["--dataset", "mime", "--encoder", "net"], "Did you mean 'mine'?"),
        (["--dataset", "mine", "--encoder", "net", "--set", "encoder.widht=3"], "'width'"),
        (["--dataset", "mine", "--encoder", "net", "--set", "head.name=numer"], "'number'"),
        (["--dataset", "mine", "--encoder", "net", "--strategy", "none"], "no strategy 'none'"),
        (["--dataset", "mine", "--encoder", "net", "--epochs", "-1"], "'--epochs' is -1"),
        (["--dataset", "mine", "--encoder", "net", "--logger", "nope"], "no logger 'nope'"),
    ],
)
def test_mistakes_are_found_before_torch_is_imported(
    cli: Callable[..., Any], plugin_folder: Any, arguments: list[str], words: str
) -> None:
    plugin_folder.add("matsciml-data-mine", PLUGIN, modules={"config": CONFIG})
    outcome = cli("run", *arguments)
    assert outcome.code == 2
    assert words in outcome.error
    script = (
        "import sys; from matsciml_cli.app import execute; code = execute(sys.argv[1:]);"
        "sys.exit(code if 'torch' not in sys.modules else 99)"
    )
    path = os.pathsep.join([str(plugin_folder.path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script, "run", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
