"""The conformance kit's checks, with narrow layers."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from matsciml_core.testing import EncoderContract

pytest.importorskip("mace", reason="mace-torch is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, about TorchScript


class TestSmall(EncoderContract):
    spec_name = "mace"
    options = MappingProxyType(
        {
            "cutoff": 4.0,
            "width": 4,
            "hidden_degree": 1,
            "max_degree": 2,
            "radial_functions": 4,
            "radial_widths": (8,),
            "correlation": 2,
            "readout_width": 4,
            "avg_num_neighbors": 20.0,
        }
    )
