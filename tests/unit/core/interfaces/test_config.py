"""Settings of components: presets, overrides, and sentences for what is wrong."""

from types import MappingProxyType
from typing import ClassVar

import pytest

from matsciml_core import Config
from matsciml_core.errors import ConfigError


class NetConfig(Config):
    """Settings of a network."""

    width: int = 8
    """Width."""
    depth: int = 2
    """Depth."""
    presets: ClassVar = MappingProxyType(
        {"small": MappingProxyType({"width": 4}), "large": MappingProxyType({"width": 64})}
    )


class PlainConfig(Config):
    """Settings without presets."""

    rate: float = 0.5
    """A rate."""


def message(config: type[Config], **options: object) -> str:
    with pytest.raises(ConfigError) as caught:
        config.from_options(options, where="encoder")
    return str(caught.value)


class TestPresets:
    def test_the_first_is_the_default(self):
        assert NetConfig.from_options({}, where="encoder").width == 4

    def test_one_is_picked_by_name(self):
        assert NetConfig.from_options({"preset": "large"}, where="encoder").width == 64

    def test_options_override_it(self):
        found = NetConfig.from_options({"preset": "large", "width": 5}, where="encoder")
        assert (found.width, found.depth) == (5, 2)

    def test_without_presets_the_defaults_hold(self):
        assert PlainConfig.from_options({}, where="head").rate == 0.5

    def test_a_misspelt_one_is_answered_with_the_closest(self):
        assert message(NetConfig, preset="larg") == (
            "'encoder.preset' is 'larg', which does not exist. Did you mean 'large'? "
            "Presets: small, large."
        )

    @pytest.mark.parametrize("preset", [[1], {"a": 1}, 7])
    def test_what_is_no_name_is_refused(self, preset):
        assert "Presets: small, large." in message(NetConfig, preset=preset)

    def test_there_may_be_none(self):
        assert message(PlainConfig, preset="large").endswith("Presets: none.")


class TestMistakes:
    def test_an_unknown_key_is_answered_with_the_closest(self):
        assert message(NetConfig, widht=3) == (
            "'encoder.widht' is not a setting. Did you mean 'width'? "
            "Settings of 'encoder': depth, width."
        )

    def test_a_wrong_type_names_key_and_value(self):
        found = message(NetConfig, width="wide")
        assert found.startswith("'encoder.width' is 'wide'; ")
        assert found.endswith("give a whole number, such as 3.")

    def test_settings_cannot_be_changed_afterwards(self):
        with pytest.raises(ValueError, match="frozen"):
            NetConfig().width = 3
