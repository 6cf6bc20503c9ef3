"""How exactly a promise must hold, by precision, with the reason for each number."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """A limit on a measured number, one per precision."""

    quantity: str
    """What is measured, with its unit, as the beginning of a sentence."""
    float64: float
    float32: float
    reason: str
    """Why these numbers."""
    at_least: bool = False
    """Whether the measured number must reach the limit rather than stay within it."""

    def of(self, dtype: torch.dtype) -> float:
        """Return the limit for a precision."""
        return self.float64 if dtype == torch.float64 else self.float32

    def accepts(self, value: float, dtype: torch.dtype) -> bool:
        """Return whether a measured number is within the limit; NaN never is."""
        return value >= self.of(dtype) if self.at_least else value <= self.of(dtype)

    def show(self, dtype: torch.dtype) -> str:
        """Return the limit as it stands in a scorecard, for example ``≤ 1e-09``."""
        return f"{'≥' if self.at_least else '≤'} {self.of(dtype):.2g}"


SYMMETRY = Tolerance(
    quantity="The largest relative change of the embedding",
    float64=1e-9,
    float32=1e-4,
    reason=(
        "In exact arithmetic the change is zero. Rounding moves an edge length by one part in "
        "10¹⁵ (10⁷ in float32); sums over some thousand edges and a few layers amplify that by "
        "10³ to 10⁴. Real violations seen in other toolkits are 10⁻³ to 10⁻¹."
    ),
)
REPEAT = Tolerance(
    quantity="The largest relative change of the embedding",
    float64=1e-13,
    float32=1e-6,
    reason=("The same arithmetic on the same numbers; only the order of threaded sums may differ."),
)
PRECISION = Tolerance(
    quantity="The largest relative difference between float32 and float64",
    float64=1e-4,
    float32=1e-4,
    reason=(
        "float32 has a relative precision of 6·10⁻⁸; a thousandfold amplification is usual in a "
        "deep network. More means that a difference of large numbers loses digits somewhere."
    ),
)
GRADIENT = Tolerance(
    quantity="The largest difference between autograd and finite differences, relative to the "
    "norm of the gradient,",
    float64=1e-5,
    float32=1e-2,
    reason=(
        "Central differences with steps of 10⁻⁴ to 10⁻⁶ Å, the best of three, are good to about "
        "10⁻⁸ in float64; kinks of ReLU networks cost a little more. A wrong gradient is off by "
        "10⁻² or more."
    ),
)
CONTINUITY = Tolerance(
    quantity="The relative jump of the embedding as a pair crosses the cutoff",
    float64=1e-5,
    float32=1e-2,
    reason=(
        "The pair moves by 2·10⁻⁷ Å (2·10⁻⁴ in float32), so a continuous embedding changes by "
        "some 10⁻⁶. A model without an envelope jumps by 10⁻³ or more."
    ),
)
SENSITIVITY = Tolerance(
    quantity="The relative change of the embedding",
    float64=1e-6,
    float32=1e-5,
    reason=(
        "The embedding must change by clearly more than rounding does; untrained networks that "
        "see the difference change by 10⁻⁴ to 10⁻¹, those that do not by exactly zero."
    ),
    at_least=True,
)
EXACT = Tolerance(
    quantity="The number of differences",
    float64=0.0,
    float32=0.0,
    reason="The same numbers are read or stored, not computed; they must agree bit for bit.",
)
IMPLAUSIBLE_CRYSTALS = Tolerance(
    quantity="The share of implausible crystals",
    float64=0.01,
    float32=0.01,
    reason=(
        "Real databases hold a few strange entries; a mix-up of coordinates or units spoils most "
        "of them. In a sample of fewer than a hundred crystals none may be implausible."
    ),
)
ZERO_LOSS = Tolerance(
    quantity="The loss of a perfect prediction",
    float64=1e-12,
    float32=1e-6,
    reason="Zero up to rounding, in the normalised space, where labels are of order one.",
)
SAME_LOSS = Tolerance(
    quantity="The largest relative difference",
    float64=1e-9,
    float32=1e-5,
    reason="The same formula on the same numbers, summed in another order.",
)
ROUND_TRIP = Tolerance(
    quantity="The largest relative error after normalising and going back",
    float64=1e-9,
    float32=1e-5,
    reason="One subtraction and one multiplication there and back.",
)
SAME_GRADIENT = Tolerance(
    quantity="The largest relative difference between the gradients",
    float64=1e-9,
    float32=1e-5,
    reason="The same derivatives in double precision, summed in another order.",
)
