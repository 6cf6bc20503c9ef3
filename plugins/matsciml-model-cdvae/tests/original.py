"""The original's small model: its settings, and its weights under this plugin's names."""

import re

import torch
from torch import Tensor

from matsciml_core import CrystalBatch
from matsciml_core.data.neighbours.neighbour_list import with_edges
from matsciml_model_cdvae.config import CrystalGenerationConfig, DimeNetConfig
from matsciml_model_cdvae.connect import Edges
from matsciml_model_cdvae.lattice import lattice_vectors, to_cartesian

DIMENET = DimeNetConfig(
    elements="learnt",
    cutoff=5.0,
    max_neighbours=9,
    hidden=12,
    num_blocks=2,
    triplet_width=6,
    basis_width=4,
    output_width=14,
    embedding_width=10,
    num_spherical=4,
    num_radial=3,
    excluded_paths="atom",
)
HEAD = CrystalGenerationConfig(
    max_atoms=6,
    predictor_width=10,
    radius=5.0,
    max_neighbours=9,
    cut="literal",
    hidden=12,
    num_blocks=3,
    num_radial=128,
    triplet_width=64,
    basis_width=16,
)

_DIMENET = (
    (r"rbf\.freq", "radial.frequencies"),
    (r"emb\.emb\.", "embedding.elements."),
    (r"emb\.lin_rbf\.", "embedding.radial."),
    (r"emb\.lin\.", "embedding.joined."),
    (r"interaction_blocks", "interactions"),
    (r"\.lin_rbf1\.", ".radial.0."),
    (r"\.lin_rbf2\.", ".radial.1."),
    (r"\.lin_sbf1\.", ".angular_in."),
    (r"\.lin_sbf2\.", ".angular_out."),
    (r"\.lin_kj\.", ".others."),
    (r"\.lin_ji\.", ".own."),
    (r"\.lin_down\.", ".down."),
    (r"\.lin_up\.", ".up."),
    (r"layers_before_skip\.(\d)\.lin1", r"before_skip.\1.first"),
    (r"layers_before_skip\.(\d)\.lin2", r"before_skip.\1.second"),
    (r"layers_after_skip\.(\d)\.lin1", r"after_skip.\1.first"),
    (r"layers_after_skip\.(\d)\.lin2", r"after_skip.\1.second"),
    (r"output_blocks", "outputs"),
    (r"(outputs\.\d)\.lin_rbf\.", r"\1.radial."),
    (r"(outputs\.\d)\.lins\.", r"\1.hidden."),
    (r"(outputs\.\d)\.lin\.", r"\1.last."),
    (r"(interactions\.\d)\.lin\.", r"\1.skip."),
)
_GEMNET = (
    (r"\.linear\.weight", ".weight"),
    (r"^gemnet\.", ""),
    (r"fc_atom\.", "species."),
    (r"atom_emb\.embeddings\.", "elements."),
    (r"atom_latent_emb\.", "atoms."),
    (r"edge_emb\.dense\.", "edges."),
    (r"mlp_cbf3\.weight", "angular"),
    (r"mlp_rbf3\.", "radial_triplet."),
    (r"mlp_rbf_h\.", "radial_atom."),
    (r"mlp_rbf_out\.", "radial_output."),
    (r"int_blocks", "blocks"),
    (r"out_blocks", "outputs"),
    (r"dense_mlp\.0", "first"),
    (r"dense_mlp\.1", "second"),
    (r"atom_update\.dense_rbf\.", "radial."),
    (r"atom_update\.layers\.0\.", "to_atoms.0."),
    (r"atom_update\.layers\.([123])\.", lambda m: f"to_atoms.1.{int(m[1]) - 1}."),
    (r"concat_layer\.dense\.", "to_edges.0."),
    (r"residual_m\.0\.", "to_edges.1."),
    (r"dense_ca\.", "own."),
    (r"layers_before_skip\.0\.", "before_skip."),
    (r"layers_after_skip", "after_skip"),
    (r"trip_interaction\.dense_ba\.", "triplets.messages."),
    (r"trip_interaction\.mlp_rbf\.", "triplets.radial."),
    (r"trip_interaction\.down_projection\.", "triplets.down."),
    (r"trip_interaction\.mlp_cbf\.weight", "triplets.bilinear"),
    (r"trip_interaction\.up_projection_ca\.", "triplets.up."),
    (r"trip_interaction\.up_projection_ac\.", "triplets.up_mirror."),
    (r"dense_rbf_F\.", "radial."),
    (r"seq_forces\.0\.", "messages.0."),
    (r"seq_forces\.([123])\.", lambda m: f"messages.1.{int(m[1]) - 1}."),
    (r"out_forces\.", "force."),
)
_UNUSED = r"scale_factor|offset|seq_energy|out_energy|out_blocks\.\d\.(layers|dense_rbf)\."


def dimenet_weights(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's weights; its table of elements is padded to ours."""
    weights = _renamed(_below(reference, "dimenet/w/"), _DIMENET)
    table = weights["embedding.elements.weight"]
    weights["embedding.elements.weight"] = torch.cat((table, table.new_zeros(24, table.shape[1])))
    return weights


def gemnet_weights(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the decoder's weights, without the branch for energies."""
    return _renamed(_below(reference, "gemnet/w/"), _GEMNET)


def predictor_weights(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the predictors."""
    names = {"fc_num_atoms": "atoms", "fc_lattice": "lattice", "fc_composition": "composition"}
    weights = {}
    for old, new in names.items():
        for name, value in _below(reference, f"losses/w/{old}.").items():
            layer, kind = name.split(".")  # of a sequence in which the activation is number 1
            weights[f"{new}.layers.{int(layer) // 2}.{kind}"] = value
    return weights


def readout_weights(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the latent read-out."""
    names = {"fc_mu": "mean", "fc_var": "log_variance"}
    return {
        f"{new}.{name}": value
        for old, new in names.items()
        for name, value in _below(reference, f"losses/w/{old}.").items()
    }


def crystals(reference: dict[str, Tensor]) -> CrystalBatch:
    """Return the crystals of the encoder's reference, with the edges that it was given."""
    part = _below(reference, "dimenet/")
    counts = part["num_atoms"]
    cell = lattice_vectors(torch.cat((part["lengths"], part["angles"]), dim=1))
    index = torch.repeat_interleave(counts)
    batch = CrystalBatch(
        atomic_numbers=part["atom_types"],
        positions=to_cartesian(part["frac_coords"], cell, index),
        cell=cell,
        pbc=torch.ones(len(counts), 3, dtype=torch.bool),
        crystal_index=index,
        atoms_per_crystal=counts,
        ids=[str(number) for number in range(len(counts))],
    )
    order = torch.argsort(part["edge_index"][1], stable=True)
    ends, shifts = part["edge_index"][:, order], part["to_jimages"][order]
    return with_edges(batch, ends.numpy(), shifts.numpy())


def decoder_edges(reference: dict[str, Tensor]) -> Edges:
    """Return the edges that the original's decoder was given, sorted by receiver."""
    part = _below(reference, "gemnet/")
    order = torch.argsort(part["edge_index"][1], stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    sender, receiver = part["edge_index"][:, order]
    return Edges(
        sender=sender,
        receiver=receiver,
        mirror=rank[part["id_swap"][order]],
        lengths=part["D_st"][order],
        directions=part["V_st"][order],
        num_atoms=len(reference["dimenet/atom_types"]),
    )


def _below(reference: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in reference.items()
        if name.startswith(prefix)
    }


def _renamed(weights: dict[str, Tensor], rules) -> dict[str, Tensor]:
    renamed = {}
    for name, value in weights.items():
        if re.search(_UNUSED, name):
            continue
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed
