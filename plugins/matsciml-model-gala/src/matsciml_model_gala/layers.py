"""The layers of GALA: updates of the values, and of the multivectors."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from matsciml_model_gala.attention import AttentionOptions, GeometricAttention, invariant_width
from matsciml_model_gala.config import GALAConfig
from matsciml_model_gala.networks import DenseNetwork, MomentumLayerNorm, layer_normalise
from matsciml_model_gala.products import spans


class GALALayer(nn.Module):
    """Attention, a mixing network, a residual and a normalisation."""

    def __init__(self, config: GALAConfig, *, reduce: bool) -> None:
        """Build the layer.

        Args:
            config: The settings.
            reduce: Whether it is the last layer, which leaves one row per neighbourhood.
        """
        super().__init__()
        self.attention = GeometricAttention(attention_options(config, reduce=reduce))
        hidden = config.network_hidden
        self.mixing = DenseNetwork(config.hidden, hidden, config.hidden, config.network_norm)
        self.reduce = reduce
        self.block_norm = config.block_norm

    def forward(
        self,
        invariants: Tensor,
        values: Tensor,
        columns: Sequence[int] | None,
        mask: Tensor | None,
        log_weights: Tensor | None,
    ) -> Tensor:
        """Update the values, ``(centres, members, hidden)``, or reduce them to the centres.

        Args:
            invariants: Of all tuples, ``(centres, members^rank, n)``, in powers of Å.
            values: ``(centres, members, hidden)``, dimensionless.
            columns: See :meth:`GeometricAttention.forward`.
            mask: Which members exist, ``(centres, members)`` bool, dimensionless; None: all.
            log_weights: Logarithm of each member's weight, ``(centres, members)``, dimensionless;
                None: zero.
        """
        attended = self.attention(
            invariants, values, columns=columns, mask=mask, log_weights=log_weights
        ).invariant
        mixed = self.mixing(attended)
        return layer_normalise(mixed if self.reduce else mixed + values, self.block_norm)


class EquivariantUpdate(nn.Module):
    """Moves the multivectors by a rotation-covariant attention."""

    def __init__(self, config: GALAConfig, *, last: bool) -> None:
        """Build the attention and the norm.

        Args:
            config: The settings.
            last: Whether no other update follows.
        """
        super().__init__()
        self.attention = GeometricAttention(attention_options(config, reduce=False, covariant=True))
        self.paper = config.multivector_update == "paper"
        # In the form of the paper only the next update sees what the norm gives.
        unused = config.multivector_norm == "none" or (last and self.paper)
        self.norm = None if unused else MomentumLayerNorm()

    def forward(
        self,
        invariants: Tensor,
        values: Tensor,
        covariants: Tensor,
        mask: Tensor | None,
        log_weights: Tensor | None,
    ) -> Tensor:
        """Return what attention makes of the multivectors, ``(centres, members, 8)``.

        Args:
            invariants: Of all tuples, ``(centres, members^rank, n)``, in powers of Å.
            values: ``(centres, members, hidden)``, dimensionless.
            covariants: Of all tuples, ``(centres, members^rank, products, 8)``, in powers of Å.
            mask: Which members exist, ``(centres, members)`` bool, dimensionless; None: all.
            log_weights: Logarithm of each member's weight, ``(centres, members)``, dimensionless;
                None: zero.
        """
        moved: Tensor = self.attention(
            invariants, values, mask=mask, log_weights=log_weights, covariants=covariants
        ).covariant
        return moved

    def combine(self, moved: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
        """Return the multivectors that the layer sees, and those that the next update starts from.

        Args:
            moved: Attention's result, ``(centres, members, 8)``, Å.
            old: What it started from, ``(centres, members, 8)``, Å.
        """
        new = moved + old
        if self.norm is not None:
            new = self.norm(new)
        return (moved, new + old) if self.paper else (new, new)


def attention_options(
    config: GALAConfig, *, reduce: bool, covariant: bool = False
) -> AttentionOptions:
    """Return the options of one attention layer.

    Args:
        config: The settings.
        reduce: Whether a neighbourhood gives one row.
        covariant: Whether the result is covariant rather than invariant.
    """
    factor = 2 if config.normalised_products else 1
    return AttentionOptions(
        width=config.hidden,
        invariants=invariant_width(
            config.rank, config.invariant_mode, normalised=config.normalised_products
        ),
        rank=config.rank,
        merge=config.merge,
        join=config.join,
        reduce=reduce,
        covariants=factor * len(spans(config.rank, config.covariant_mode)) if covariant else 0,
        invariant_result=not covariant,
        hidden_width=config.network_hidden,
        norm=config.network_norm,
        input_norm=config.invariant_norm == "momentum",
    )
