"""What commands say of names that nothing has: never a package that is called like the name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from matsciml_core.registry.known_plugins import known_plugins

COMMANDS = (
    "{name}",
    "info {name}",
    "info {name} --kind encoder",
    "check {name}",
    "check {name} --kind strategy",
    "data info {name}",
    "data fetch {name}",
    "data split {name}",
    "data leaks {name}",
    "data convert . --from toolkit --dataset {name}",
    "data convert . --from {name} --dataset {name}",
    "run --dataset {name} --encoder {name}",
    "run --dataset mine --encoder {name}",
    "run --dataset mine --encoder net --strategy {name}",
    "run --dataset mine --encoder net --set head.name={name}",
    "list-plugins --kind {name}",
)
PLUGIN = """
    from matsciml_core import DatasetSpec, EncoderSpec, hookimpl

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(name="mine", summary="s", class_path="{package}.heavy:A")

    @hookimpl
    def matsciml_encoders():
        yield EncoderSpec(name="net", summary="s", class_path="{package}.heavy:B")
"""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["mace", "requests", "./data", "egnn"])
def test_no_package_is_named_after_what_was_typed(
    cli: Callable[..., Any], plugin_folder: Any, command: str, name: str
) -> None:
    plugin_folder.add("matsciml-data-mine", PLUGIN)
    outcome = cli(*command.format(name=name).split())
    assert outcome.code == 2
    proposed = set(re.findall(r"pip install (\S+)", outcome.error))
    assert proposed <= {plugin.distribution for plugin in known_plugins()}
