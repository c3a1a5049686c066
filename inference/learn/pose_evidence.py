"""How probable real poses are under a prior whose density has to be summed over codes."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from probbody.geometry.rotations import matrix_to_axis_angle
from probbody.priors.tangent import log_volume
from probbody.priors.vae import VaePose


def log_evidence(
    prior: VaePose,
    rotations: Float[Tensor, "B M 3 3"],
    joints: list[int],
    *,
    draws: int = 200,
    rounds: int = 8,
    widening: float = 1.1,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " B"]:
    """A stochastic lower bound of the log density of the axis-angles of some joints, in nats, tight with many draws.

    The decoder is a density through its tangent noise. The code is drawn from a normal about the best code of each pose
    with the curvature found there (Gauss-Newton from the encoder's answer), ``widening`` times as wide, and each draw is
    weighted by what it should have had. The change from rotations to axis-angles is counted.

    References: Burda et al. (2016), arXiv:1509.00519, for the bound.
    """
    noise = prior.log_noise.to(rotations).exp()[joints]
    code, root = _best(prior, rotations, joints, noise, rounds)
    size = code.shape[-1]
    logs = []
    for _ in range(draws):
        white = torch.randn(code.shape, generator=generator).to(code)
        drawn = code + widening * torch.linalg.solve_triangular(root.mT, white[..., None], upper=True)[..., 0]
        spread = size * math.log(widening) - root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        proposed = -0.5 * white.square().sum(-1) - spread
        error = _error(prior, drawn, rotations, joints)
        fit = -0.5 * (error / noise).square() - noise.log() - 0.5 * math.log(2 * math.pi)
        seen = fit.sum((-1, -2)) - log_volume(error).sum(-1)
        logs.append(seen - 0.5 * drawn.square().sum(-1) - proposed)
    evidence = torch.stack(logs).logsumexp(0) - math.log(draws)
    return evidence + log_volume(matrix_to_axis_angle(rotations[:, joints])).sum(-1)


def _error(prior: VaePose, code: Tensor, rotations: Tensor, joints: list[int]) -> Tensor:
    return matrix_to_axis_angle(prior.decode(code)[..., joints, :, :].mT @ rotations[..., joints, :, :])


def _best(
    prior: VaePose, rotations: Tensor, joints: list[int], noise: Tensor, rounds: int
) -> tuple[Float[Tensor, "B Z"], Float[Tensor, "B Z Z"]]:
    """The likeliest code of each pose, and the Cholesky factor of the curvature there."""

    def residual(code: Tensor, rotation: Tensor) -> Tensor:
        return (_error(prior, code[None], rotation[None], joints)[0] / noise).flatten()

    def energy(code: Tensor) -> Tensor:
        error = _error(prior, code, rotations.expand(*code.shape[:-1], *rotations.shape[-3:]), joints) / noise
        return 0.5 * error.square().sum((-1, -2)) + 0.5 * code.square().sum(-1)

    slope = torch.func.vmap(torch.func.jacfwd(residual))
    lengths = torch.tensor([0.0, 0.1, 0.3, 0.6, 1.0]).to(rotations)
    code = prior.encode(rotations)
    for turn in range(rounds + 1):
        jacobian = slope(code, rotations)
        still = torch.eye(code.shape[-1]).to(code)
        root = torch.linalg.cholesky(jacobian.mT @ jacobian + still)
        if turn == rounds:
            break
        error = (_error(prior, code, rotations, joints) / noise).flatten(1)
        push = torch.einsum("bdz,bd->bz", jacobian, error) + code
        step = torch.cholesky_solve(push[..., None], root)[..., 0]
        tried = code - lengths[:, None, None] * step
        found = torch.stack([energy(each) for each in tried]).argmin(0)
        code = tried[found, torch.arange(len(code))]
    return code, root
