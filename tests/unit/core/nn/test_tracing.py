"""A network that is being written down as a graph sees symbols for the numbers of rows."""

from __future__ import annotations

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from matsciml_core.nn.tracing import is_traced


def test_rows_are_symbols_within_a_symbolic_trace_only():
    seen = []

    def function(rows):
        seen.append(is_traced(rows))
        return rows.sum(dim=0)

    function(torch.zeros(5, 2))
    make_fx(function, tracing_mode="real")(torch.zeros(5, 2))
    make_fx(function, tracing_mode="symbolic")(torch.zeros(5, 2))
    assert seen == [False, False, True]
