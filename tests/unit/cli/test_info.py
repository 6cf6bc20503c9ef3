"""``matsciml info``, and reading settings from source."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from matsciml_cli._settings import Setting, Settings, read_settings
from matsciml_core import Config

CONFIG = '''
    """Settings of a test component."""

    from collections.abc import Mapping
    from typing import Any, ClassVar, Literal

    import this_module_does_not_exist

    from pydantic import Field
    from matsciml_core import Config

    _WIDTH = 64
    LIMIT: float = 2.5


    class MineConfig(Config):
        """Settings."""

        presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"small": {}, "large": {"width": 9}}

        width: int = _WIDTH
        """Width of the
        hidden layers, dimensionless."""
        cutoff: float = Field(5.0, ge=0, description="Longest edge, Å.")
        limit: float = LIMIT
        kind: Literal["a", "b"] = "a"
        layers: tuple[int, ...] = (1, 2)
        """Layers."""
        maybe: int | None = None
        made: list[int] = Field(default_factory=list)
        built: dict[str, int] = Field(default_factory=lambda: {"a": 1})
        computed: int = Field(default_factory=int)
        sum: int = 2 + _WIDTH
        required: str
        _private: int = 1

        def method(self) -> None:
            inner: int = 3
'''
PLUGIN = """
    from matsciml_core import (
        DatasetSpec, EncoderCapabilities, EncoderSpec, Reference, TargetInfo, hookimpl,
    )

    PAPER = Reference(
        key="k", authors="Chen, C. and Ye, W.", title="Graphs", venue="J. Graphs 1", year=2019,
        doi="10.1/abc",
    )

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(
            name="mine", summary="My crystals.", class_path="{package}.dataset:Mine",
            config="{package}.config:MineConfig", licence="CC-BY-4.0", references=(PAPER,),
            size=12, source="Somewhere, 2024",
            targets=(
                TargetInfo(name="gap", kind="scalar", unit="eV", description="The gap."),
                TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True),
                TargetInfo(name="group", kind="multiclass", unit="class", num_classes=7),
            ),
        )

    @hookimpl
    def matsciml_encoders():
        yield EncoderSpec(
            name="net", summary="A network.", class_path="{package}.net:Net", requires=("pluggy",),
            capabilities=EncoderCapabilities(symmetry="SE(3)", presets=("one", "two")),
            training={"learning_rate": 0.002},
        )
        yield EncoderSpec(name="mine", summary="Same name.", class_path="{package}.net:Net")
"""


@pytest.fixture
def package(plugin_folder: Any) -> str:
    name: str = plugin_folder.add(
        "matsciml-data-mine", PLUGIN, version="1.2", modules={"config": CONFIG}
    )
    return name


class TestText:
    def test_everything_about_a_dataset(self, cli: Callable[..., Any], package: str) -> None:
        outcome = cli("info", "mine", "--kind", "dataset")
        assert (outcome.code, outcome.err) == (0, "")
        lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
        assert lines[0] == "dataset mine"
        for expected in (
            "summary My crystals.",
            "state ok",
            "distribution matsciml-data-mine 1.2",
            f"class path {package}.dataset:Mine",
            f"config {package}.config:MineConfig",
            "licence CC-BY-4.0",
            "size 12",
            "source Somewhere, 2024",
            "gap eV scalar per crystal The gap.",
            "forces eV/Å forces per atom",
            "group class multiclass, 7 classes per crystal",
            "small default",
            "large",
            "width int = 64 Width of the hidden layers, dimensionless.",
            "cutoff float = 5.0 Longest edge, Å.",
            "maybe int | None",
            "made list[int] = []",
            "built dict[str, int] = a=1",
            "layers tuple[int, ...] = 1, 2 Layers.",
            "Chen, C.; Ye, W.: Graphs. J. Graphs 1 (2019), doi:10.1/abc",
        ):
            assert expected in lines, expected

    def test_everything_about_an_encoder(self, cli: Callable[..., Any], package: str) -> None:
        lines = [" ".join(line.split()) for line in cli("info", "net").out.splitlines()]
        for expected in (
            "encoder net",
            "requires pluggy",
            "symmetry SE(3)",
            "neighbours radius",
            "supercell yes",
            "smooth cutoff no",
            "presets one, two",
            "training learning_rate=0.002",
        ):
            assert expected in lines, expected
        assert "settings" not in lines
        assert "references" not in lines

    def test_nothing_of_the_component_is_imported(
        self, cli: Callable[..., Any], package: str
    ) -> None:
        assert cli("info", "mine").code == 0
        assert f"{package}.config" not in sys.modules
        assert f"{package}.dataset" not in sys.modules

    def test_a_name_of_two_kinds_shows_both(self, cli: Callable[..., Any], package: str) -> None:
        out = cli("info", "mine").out
        assert out.startswith("dataset mine\n")
        assert "\nencoder mine\n" in out
        assert cli("info", "mine", "--kind", "encoder").out.startswith("encoder mine\n")

    def test_duplicates_are_shown_with_their_state(
        self, cli: Callable[..., Any], plugin_folder: Any, package: str
    ) -> None:
        plugin_folder.add("matsciml-data-rival", PLUGIN)
        out = cli("info", "net").out
        assert out.count("encoder net\n") == 2
        assert "duplicate: also offered by matsciml-data-rival 0.1.0" in out


class TestErrors:
    def test_unknown_name(self, cli: Callable[..., Any], package: str) -> None:
        outcome = cli("info", "nett")
        assert outcome.code == 2
        assert outcome.error.startswith("There is nothing called 'nett'. Did you mean 'net'?")

    def test_unknown_name_of_a_kind(self, cli: Callable[..., Any], package: str) -> None:
        outcome = cli("info", "net", "--kind", "dataset")
        assert outcome.code == 2
        assert outcome.error.endswith("'net' is the name of an encoder.")

    def test_unknown_kind(self, cli: Callable[..., Any], package: str) -> None:
        assert "no kind 'model'" in cli("info", "net", "--kind", "model").error

    def test_name_of_a_failed_plugin(self, cli: Callable[..., Any], plugin_folder: Any) -> None:
        plugin_folder.add("matsciml-data-bad", "raise ValueError('so bad')")
        outcome = cli("info", "bad")
        assert outcome.code == 2
        assert "installed but not in use" in outcome.error
        assert "so bad" in outcome.error


class TestJson:
    def test_documented_keys(self, cli: Callable[..., Any], package: str) -> None:
        (component,) = cli("info", "mine", "--kind", "dataset", "--json").data["components"]
        text = " ".join(cli("info", "--help").out.split())
        for key in (
            "schema", "components", "kind", "distribution", "version", "state", "reason",
            "settings", "presets", *component["settings"][0],
        ):  # fmt: skip
            assert f"`{key}`" in text, key

    def test_dataset(self, cli: Callable[..., Any], package: str) -> None:
        data = cli("info", "mine", "--kind", "dataset", "--json").data
        assert data["schema"] == 1
        (component,) = data["components"]
        assert component["distribution"] == "matsciml-data-mine"
        assert component["targets"][2] == {
            "name": "group",
            "kind": "multiclass",
            "unit": "class",
            "per_atom": False,
            "num_classes": 7,
            "description": "",
        }
        assert component["references"][0]["doi"] == "10.1/abc"
        assert component["presets"] == ["small", "large"]
        assert component["settings"][0] == {
            "name": "width",
            "type": "int",
            "default": 64,
            "description": "Width of the hidden layers, dimensionless.",
        }

    def test_encoder(self, cli: Callable[..., Any], package: str) -> None:
        (component,) = cli("info", "net", "--json").data["components"]
        assert component["capabilities"]["presets"] == ["one", "two"]
        assert component["training"] == {"learning_rate": 0.002}
        assert (component["settings"], component["presets"]) == ([], [])


class TestReadSettings:
    def read(self, folder: Any, source: str, **modules: str) -> Settings:
        package = folder.add("matsciml-x-settings", "", modules={"config": source, **modules})
        return read_settings(f"{package}.config:MineConfig")

    def test_fields_and_presets(self, plugin_folder: Any) -> None:
        settings = self.read(plugin_folder, CONFIG)
        assert settings.presets == ("small", "large")
        assert {field.name: field.default for field in settings.fields} == {
            "width": 64,
            "cutoff": 5.0,
            "limit": 2.5,
            "kind": "a",
            "layers": (1, 2),
            "maybe": None,
            "made": [],
            "built": {"a": 1},
            "computed": "int()",
            "sum": "2 + _WIDTH",
            "required": None,
        }
        assert settings.fields[1] == Setting(
            name="cutoff", type="float", default=5.0, description="Longest edge, Å."
        )

    def test_inherited_fields_come_first_and_can_be_replaced(self, plugin_folder: Any) -> None:
        settings = self.read(
            plugin_folder,
            """
            from .base import BaseConfig as Base

            class Middle(Base):
                b: int = 2

            class MineConfig(Middle):
                a: int = 10
                c: int = 3
            """,
            base="""
            from matsciml_core import Config

            class BaseConfig(Config):
                presets = {"p": {}}
                a: int = 1
            """,
        )
        assert [(field.name, field.default) for field in settings.fields] == [
            ("a", 10),
            ("b", 2),
            ("c", 3),
        ]
        assert settings.presets == ("p",)

    def test_base_class_imported_by_its_full_path(self, plugin_folder: Any) -> None:
        settings = self.read(
            plugin_folder,
            "from {package}.base import Base\nclass MineConfig(Base):\n    b: int = 2\n",
            base="class Base:\n    a: int = 1\n",
        )
        assert [field.name for field in settings.fields] == ["a", "b"]

    def test_class_that_the_config_module_only_imports(self, plugin_folder: Any) -> None:
        settings = self.read(
            plugin_folder,
            "from .base import Base as MineConfig\n",
            base="from matsciml_core.interfaces.config import Config\n"
            "class Base(Config):\n    a: int = 1\n",
        )
        assert [field.name for field in settings.fields] == ["a"]

    def test_presets_from_a_constant(self, plugin_folder: Any) -> None:
        settings = self.read(
            plugin_folder, "ALL = {'x': {}, 'y': {}}\nclass MineConfig:\n    presets = ALL\n"
        )
        assert settings.presets == ("x", "y")

    @pytest.mark.parametrize(
        "source",
        ["class Other:\n    a: int = 1\n", "def broken(:", "", "class MineConfig: ...\n"],
    )
    def test_nothing_to_read(self, plugin_folder: Any, source: str) -> None:
        assert self.read(plugin_folder, source) == Settings()

    @pytest.mark.parametrize(
        "target",
        ["no_such_package.config:X", "sys:X", "json:NoClass", "os.path.nothing:X", "json.x.y:X"],
    )
    def test_nothing_to_find(self, target: str) -> None:
        assert read_settings(target) == Settings()

    def test_a_class_that_inherits_itself_ends(self, plugin_folder: Any) -> None:
        settings = self.read(
            plugin_folder,
            "from .other import A\nclass MineConfig(A):\n    a: int = 1\n",
            other="from .config import MineConfig\nclass A(MineConfig):\n    b: int = 1\n",
        )
        assert {field.name for field in settings.fields} == {"a", "b"}

    def test_agrees_with_pydantic(self, plugin_folder: Any) -> None:
        source = CONFIG.replace("import this_module_does_not_exist\n", "")
        package = plugin_folder.add("matsciml-x-real", "", modules={"config": source})
        settings = read_settings(f"{package}.config:MineConfig")
        module = __import__(f"{package}.config", fromlist=["MineConfig"])
        model: type[Config] = module.MineConfig
        assert [field.name for field in settings.fields] == list(model.model_fields)
        assert settings.presets == tuple(model.presets)
        for field in settings.fields:
            description = model.model_fields[field.name].description or ""
            assert field.description == " ".join(textwrap.dedent(description).split())
            if field.name not in ("computed", "sum", "required"):
                default = model.model_fields[field.name].get_default(call_default_factory=True)
                assert field.default == default


def test_a_pretrained_model_tells_its_limits(plugin_folder: Any, cli: Any) -> None:
    plugin_folder.add(
        "matsciml-model-ready",
        """
        from matsciml_core import PretrainedSpec, hookimpl

        @hookimpl
        def matsciml_pretrained():
            yield PretrainedSpec(
                name="ready", summary="s", class_path="no.such:thing", encoder="net",
                functional="PBE", trained_on="Salts.", limits=("No stress of slabs.",),
            )
        """,
    )
    text = " ".join(cli("info", "ready").out.split())
    assert "functional PBE" in text
    assert "trained on Salts." in text
    assert text.endswith("limits No stress of slabs.")
