"""What the registry sees."""

import pytest

from matsciml_core.errors import ConfigError
from matsciml_model_nequip.config import NequIPConfig


@pytest.mark.parametrize(
    ("setting", "value"),
    [("lmax", 3), ("cutoff", 0.0), ("radial_widths", []), ("avg_num_neighbors", 0.0)],
)
def test_settings_that_make_no_sense_are_refused(setting, value):
    with pytest.raises(ConfigError, match=f"encoder.{setting}"):
        NequIPConfig.from_options({setting: value}, where="encoder")


def test_neighbours_are_estimated_from_the_cutoff():
    assert NequIPConfig().neighbours_per_atom == pytest.approx(34.6, abs=0.1)
    assert NequIPConfig(cutoff=10.0).neighbours_per_atom == pytest.approx(8 * 34.56, abs=0.1)
    assert NequIPConfig(avg_num_neighbors=7.0).neighbours_per_atom == 7.0
