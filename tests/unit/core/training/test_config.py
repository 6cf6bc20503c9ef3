"""Flags, overrides and YAML meet in one typed record, and mistakes are named with their mend."""

import pytest
import yaml

from matsciml_core.errors import ConfigError
from matsciml_core.training.config import build_config, dump_config, normalise, write_config
from matsciml_core.training.config_data import merge, parse_overrides, read_config_file

MINIMAL = {"dataset": "mp", "encoder": "megnet"}


class TestOverrides:
    def test_dotted_keys_nest_and_values_are_yaml(self):
        pairs = ["encoder.cutoff=5", "head.hidden=[64, 32]", "training.max_atoms=null"]
        assert parse_overrides(pairs) == {
            "encoder": {"cutoff": 5},
            "head": {"hidden": [64, 32]},
            "training": {"max_atoms": None},
        }

    def test_values_may_contain_an_equals_sign(self):
        assert parse_overrides(["output=a=b"]) == {"output": "a=b"}

    def test_later_overrides_win(self):
        assert parse_overrides(["a.b=1", "a.b=2"]) == {"a": {"b": 2}}

    @pytest.mark.parametrize("pair", ["epochs", "=3", "  =3"])
    def test_a_pair_without_key_or_value_is_refused(self, pair):
        with pytest.raises(ConfigError, match="KEY=VALUE"):
            parse_overrides([pair])

    def test_invalid_yaml_names_the_pair(self):
        with pytest.raises(ConfigError, match=r"head\.hidden"):
            parse_overrides(["head.hidden=[64"])

    def test_keys_are_text(self):
        with pytest.raises(ConfigError, match=r"--set head=\{1: 2\}"):
            parse_overrides(["head={1: 2}"])

    def test_yaml_cannot_build_objects(self):
        with pytest.raises(ConfigError, match="not valid YAML"):
            parse_overrides(["output=!!python/object/apply:os.getcwd []"])

    def test_a_section_cannot_be_replaced_by_a_value(self):
        with pytest.raises(ConfigError, match="section"):
            merge({"training": {"epochs": 3}}, {"training": 5})


class TestNormalise:
    def test_dataset_becomes_datasets(self):
        assert normalise(MINIMAL)["datasets"] == [{"name": "mp"}]

    def test_dataset_settings_join_the_one_dataset(self):
        data = normalise({"datasets": ["mp"], "dataset": {"max_atoms": 8}})
        assert data["datasets"] == [{"name": "mp", "max_atoms": 8}]

    def test_dataset_settings_are_ambiguous_with_several(self):
        with pytest.raises(ConfigError, match="mp, lips"):
            normalise({"datasets": ["mp", "lips"], "dataset": {"max_atoms": 8}})

    def test_target_becomes_targets(self):
        assert normalise({"target": "band_gap"})["targets"] == ["band_gap"]

    def test_input_is_left_alone(self):
        given = {"dataset": {"name": "mp"}}
        normalise(given)
        assert given == {"dataset": {"name": "mp"}}


class TestBuild:
    def test_defaults(self):
        config = build_config(MINIMAL)
        assert config.datasets[0].name == "mp"
        assert config.training.batch_size == 32
        assert config.output == "runs"

    def test_component_settings_stay_with_the_component(self):
        config = build_config({"dataset": "mp", "encoder": {"name": "megnet", "cutoff": 4.0}})
        assert config.encoder.options == {"cutoff": 4.0}

    @pytest.mark.parametrize(
        ("section", "name", "setting"),
        [
            ("head", "regression", "name"),
            ("split", "composition", "name"),
            ("init", "runs/latest", "model"),
        ],
    )
    def test_a_bare_name_is_a_section(self, section, name, setting):
        short = build_config({**MINIMAL, section: name})
        assert short == build_config({**MINIMAL, section: {setting: name}})
        assert short != build_config(MINIMAL)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"training": {"epoch": 3}}, ["training.epoch", "Did you mean 'epochs'?"]),
            ({"training": {"epochs": "many"}}, ["training.epochs", "'many'", "whole number"]),
            ({"training": {"epochs": 0}}, ["training.epochs", "0", "greater than 0"]),
            ({"training": {"precision": "half"}}, ["training.precision", "float32"]),
            ({"split": {"sed": 1}}, ["split.sed", "seed"]),
            ({"trainin": {}}, ["trainin", "Did you mean 'training'?"]),
            ({"encoder": {"cutoff": 3}}, ["encoder.name", "missing"]),
            ({"encoder": 7}, ["encoder", "7"]),
            ({"training": 7}, ["'training' is 7", "section", "training.epochs"]),
            ({"head": 3}, ["'head' is 3", "section", "head.name"]),
            ({"head": {"name": [1]}}, ["head.name", "[1]"]),
            ({"split": ["random"]}, ["'split' is ['random']", "split.name"]),
            ({"epochs": 3}, ["'epochs'", "'training.epochs'"]),
            ({"datasets": {"mp": {"max_atoms": 3}}, "dataset": None}, ["no name", "--dataset"]),
            ({"datasets": ["mp", "mp"], "dataset": None}, ["'mp'", "more than once"]),
            ({"split": {"seed": -1}}, ["split.seed", "-1"]),
            ({"training": {"seed": 2**32}}, ["training.seed", "less than"]),
        ],
    )
    def test_a_mistake_is_named_with_its_mend(self, change, words):
        with pytest.raises(ConfigError) as error:
            build_config({**MINIMAL, **change})
        assert all(word in str(error.value) for word in words), str(error.value)

    @pytest.mark.parametrize("missing", ["dataset", "encoder"])
    def test_what_has_no_default_is_asked_for(self, missing):
        given = {key: value for key, value in MINIMAL.items() if key != missing}
        with pytest.raises(ConfigError, match=f"--{missing}"):
            build_config(given)

    def test_scientific_notation_is_a_number(self):
        config = build_config({**MINIMAL, **parse_overrides(["training.learning_rate=1e-3"])})
        assert config.training.learning_rate == pytest.approx(1e-3)


class TestFiles:
    def test_round_trip(self, tmp_path):
        config = build_config({**MINIMAL, "target": ["band_gap"], "training": {"epochs": 3}})
        write_config(config, tmp_path / "config.yaml")
        again = build_config(read_config_file(tmp_path / "config.yaml"))
        assert again == config
        assert dump_config(again) == dump_config(config)

    def test_the_file_is_plain_yaml(self, tmp_path):
        write_config(build_config(MINIMAL), tmp_path / "config.yaml")
        assert yaml.safe_load((tmp_path / "config.yaml").read_text())["encoder"]["name"] == "megnet"

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"[1, 2]", "mapping of settings"),
            (b"", "mapping of settings"),
            (b"a: [", "line 1, column 5: "),
            (b"a: 1\n\tb: 2", "line 2, column 1: "),
            (b"a: !!python/name:os.system", "line 1, column 4: "),
            (b"\x00\x01", "not text in UTF-8"),
            (b"a: \xe9\xff", "not text in UTF-8"),
            (b"5: 6", "is 5, which is no text"),
            (b"a: [{true: 6}]", "is True, which is no text"),
        ],
    )
    def test_unusable_content_names_the_file_and_the_place(self, tmp_path, content, words):
        path = tmp_path / "config.yaml"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"config\.yaml") as error:
            read_config_file(path)
        assert words in str(error.value)
        assert "\n" not in str(error.value)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(ConfigError, match=r"absent\.yaml"):
            read_config_file(tmp_path / "absent.yaml")
