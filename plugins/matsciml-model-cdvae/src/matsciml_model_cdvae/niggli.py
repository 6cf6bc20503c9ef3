"""Niggli reduction of many cells at once: the same lattice always has the same six parameters."""

from __future__ import annotations

import torch
from torch import Tensor

_MAX_ROUNDS = 100
"""Cells of real crystals need fewer than ten."""
_RELATIVE_TOLERANCE = 1e-5
"""Numbers that differ by less, relative to the cube root of the squared volume, are equal."""


def niggli_reduced(cell: Tensor) -> Tensor:
    """Return the Niggli-reduced basis of each lattice.

    The lattice itself stays where it is, so that positions need no change.

    Args:
        cell: Lattice vectors as rows, ``(crystals, 3, 3)``, Å, with a volume.

    Returns:
        ``(crystals, 3, 3)``, Å, in the dtype of ``cell``.

    References:
        Křivý, Gruber, Acta Cryst. A32, 297 (1976), with the tolerances of Grosse-Kunstleve,
        Sauter, Adams, Acta Cryst. A60, 1 (2004); steps A1 to A8 are numbered as there.
    """
    with torch.no_grad():
        exact = cell.to(torch.float64)
        volume = torch.linalg.det(exact).abs()
        # The form is made of products of two lengths, which V^(2/3) is as well.
        tolerance = _RELATIVE_TOLERANCE * volume.pow(2.0 / 3.0)
        transformation = torch.eye(3, dtype=torch.float64, device=cell.device)
        transformation = transformation.expand_as(exact)
        for _ in range(_MAX_ROUNDS):
            reduced = transformation @ exact
            step = _round(_form(reduced @ reduced.transpose(1, 2)), tolerance)
            transformation = step @ transformation
            # Signs of vectors at right angles may alternate for ever, without changing an angle.
            if bool((step.abs() == _identity(step)).all()):
                break
        return (transformation @ exact).to(cell.dtype)


def _identity(like: Tensor) -> Tensor:
    return torch.eye(3, dtype=like.dtype, device=like.device)


def _form(gram: Tensor) -> Tensor:
    """Return A, B, C, ξ, η, ζ of metric tensors ``(crystals, 3, 3)``, ``(6, crystals)``, Å²."""
    a, b, c = gram.diagonal(dim1=1, dim2=2).unbind(1)
    return torch.stack((a, b, c, 2 * gram[:, 1, 2], 2 * gram[:, 0, 2], 2 * gram[:, 0, 1]))


def _round(form: Tensor, tolerance: Tensor) -> Tensor:
    """Return the transformation of one round: order, signs, and the first reduction that applies.

    Args:
        form: ``(6, crystals)``, Å².
        tolerance: ``(crystals,)``, Å².

    Returns:
        ``(crystals, 3, 3)``, integers.
    """
    total = _identity(form).expand(form.shape[1], 3, 3)
    for swap in (_first_swap, _second_swap, _first_swap):  # sorts three numbers
        step = swap(form, tolerance)
        form, total = _changed(form, step), step @ total
    step = _signs(form, tolerance)
    form, total = _changed(form, step), step @ total
    return _reduction(form, tolerance) @ total


def _changed(form: Tensor, step: Tensor) -> Tensor:
    """Return the form after a step."""
    a, b, c, xi, eta, zeta = form
    rows = (a, zeta / 2, eta / 2), (zeta / 2, b, xi / 2), (eta / 2, xi / 2, c)
    gram = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)
    return _form(step @ gram @ step.transpose(1, 2))


def _first_swap(form: Tensor, tolerance: Tensor) -> Tensor:
    """Return step A1."""
    a, b, _, xi, eta, _ = form
    equal = (a - b).abs() <= tolerance
    applies = (a > b + tolerance) | (equal & (xi.abs() > eta.abs() + tolerance))
    return _where(applies, [[0, -1, 0], [-1, 0, 0], [0, 0, -1]], form)


def _second_swap(form: Tensor, tolerance: Tensor) -> Tensor:
    """Return step A2."""
    _, b, c, _, eta, zeta = form
    equal = (b - c).abs() <= tolerance
    applies = (b > c + tolerance) | (equal & (eta.abs() > zeta.abs() + tolerance))
    return _where(applies, [[-1, 0, 0], [0, 0, -1], [0, -1, 0]], form)


def _signs(form: Tensor, tolerance: Tensor) -> Tensor:
    """Return steps A3 and A4: all three angles acute, or none."""
    mixed = form[3:]  # (3, crystals)
    positive, negative = mixed > tolerance, mixed < -tolerance
    sign = positive.to(form.dtype) - negative.to(form.dtype)
    acute = sign.prod(dim=0) > 0
    # A product of two signs belongs to the third axis: flips are such that i j k = 1.
    flip_acute = 1.0 - 2.0 * negative.to(form.dtype)
    flip_obtuse = 1.0 - 2.0 * positive.to(form.dtype)
    free = (sign == 0).to(form.dtype)
    last_free = free * (free.cumsum(0) == free.sum(0))  # an angle of 90 degrees may change sign
    odd = flip_obtuse.prod(dim=0) < 0
    flip_obtuse = torch.where(odd & (last_free > 0), -flip_obtuse, flip_obtuse)
    return torch.diag_embed(torch.where(acute, flip_acute, flip_obtuse).T)


def _reduction(form: Tensor, tolerance: Tensor) -> Tensor:
    """Return the first of the steps A5 to A8 that applies to each cell, or none."""
    a, b, _, xi, eta, zeta = form
    # A8: the diagonal a + b + c is shorter than c, or as long and closer to the standard form.
    total = a + b + xi + eta + zeta
    equal = total.abs() <= tolerance
    diagonal = (total < -tolerance) | (equal & (2 * (a + eta) + zeta > tolerance))
    applies = torch.stack(
        (
            _too_long(xi, b, 2 * eta - zeta, zeta, tolerance),  # A5
            _too_long(eta, a, 2 * xi - zeta, zeta, tolerance),  # A6
            _too_long(zeta, a, 2 * xi - eta, eta, tolerance),  # A7
            diagonal,
        )
    )
    chosen = applies & (applies.cumsum(0) == 1)
    steps = _identity(form).repeat(form.shape[1], 1, 1)
    steps[:, 2, 1] = -xi.sign() * chosen[0] + chosen[3]
    steps[:, 2, 0] = -eta.sign() * chosen[1] + chosen[3]
    steps[:, 1, 0] = -zeta.sign() * chosen[2]
    return steps


def _too_long(
    mixed: Tensor, square: Tensor, above: Tensor, below: Tensor, tolerance: Tensor
) -> Tensor:
    """Return whether a vector gets shorter, or equally long and closer to the standard form."""
    at_plus = ((mixed - square).abs() <= tolerance) & (above < -tolerance)
    at_minus = ((mixed + square).abs() <= tolerance) & (below < -tolerance)
    return (mixed.abs() > square + tolerance) | at_plus | at_minus


def _where(applies: Tensor, matrix: list[list[int]], like: Tensor) -> Tensor:
    """Return a matrix for the cells that a step applies to, and the identity for the others."""
    step = torch.tensor(matrix, dtype=like.dtype, device=like.device)
    steps: Tensor = torch.where(applies.view(-1, 1, 1), step, _identity(like))
    return steps
