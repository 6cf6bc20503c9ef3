"""The conformance kit's checks, for each aggregator."""

from importlib.util import find_spec

import pytest

from matsciml_core.testing import StrategyContract

needs_torchjd = pytest.mark.skipif(
    find_spec("torchjd") is None,
    reason="torchjd is not installed; pip install 'matsciml-strategy-pcgrad[torchjd]'",
)


class TestPCGrad(StrategyContract):
    spec_name = "pcgrad"


class TestMGDA(StrategyContract):
    spec_name = "mgda"


class TestIMTLG(StrategyContract):
    spec_name = "imtl-g"


class TestNashMTL(StrategyContract):
    spec_name = "nash-mtl"


class TestGradNorm(StrategyContract):
    spec_name = "gradnorm"


@needs_torchjd
class TestUPGrad(StrategyContract):
    spec_name = "upgrad"


@needs_torchjd
class TestCAGrad(StrategyContract):
    spec_name = "cagrad"


@needs_torchjd
class TestAlignedMTL(StrategyContract):
    spec_name = "aligned-mtl"
