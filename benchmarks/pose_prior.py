"""How well the shipped pose priors know poses that they have not seen, against simpler beliefs in the same measure.

    python benchmarks/pose_prior.py [--quick] [--data FOLDER]

Held-out takes are those of ``probbody.priors.held_out_clips()``, drawn as in learning (long and idle takes do not
dominate). Likelihoods are of the axis-angles of 19 joints, radians: all 21 after the pelvis but the collars, which captured
skeletons have not. Every pose is blurred by 0.03 rad, the accuracy of capture, for all beliefs alike: without blur,
joints that never move would have an infinite density, and the sharpest belief would win. A density over rotations becomes
one over axis-angles by the volume of the exponential map.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from pyro.distributions import MultivariateNormal
from torch import Tensor

from probbody.data.capture import read_motions
from probbody.geometry.rotations import axis_angle_to_matrix, geodesic_angle, matrix_to_axis_angle
from probbody.inference.learn.pose_data import pose_set
from probbody.inference.learn.pose_evidence import log_evidence
from probbody.inference.learn.skeleton import joint_positions
from probbody.priors import freed_prior, gaussian_prior, held_out_clips, joint_limits, mixture_prior, vae_prior
from probbody.priors.limits import JointLimits
from probbody.priors.tangent import log_volume
from probbody.priors.vae import VaePose

BLUR = 0.03
JOINTS = [joint for joint in range(21) if joint not in (12, 13)]
COLUMNS = [3 * joint + axis for joint in JOINTS for axis in range(3)]
SO3 = 8 * math.pi**2


def marginal(means: Tensor, scales: Tensor) -> MultivariateNormal:
    """The normal density of the measured joints alone."""
    covariance = (scales @ scales.mT)[..., COLUMNS, :][..., COLUMNS]
    return MultivariateNormal(means[..., COLUMNS], covariance_matrix=covariance)


def uniform_on_rotations(angles: Tensor) -> Tensor:
    """Every rotation of every joint alike."""
    return (log_volume(angles[:, JOINTS]) - math.log(SO3)).sum(-1)


def uniform_in_limits(angles: Tensor, limits: JointLimits) -> Tensor:
    """Uniform in twist and swing between the limits; one part in a hundred uniform over all rotations."""

    def coordinates(vectors: Tensor) -> Tensor:
        return limits.coordinates(axis_angle_to_matrix(vectors[None]))[0]

    jacobian = torch.func.vmap(torch.func.jacfwd(coordinates))(angles)  # pose, joint, coordinate, joint, axis
    own = torch.diagonal(jacobian, dim1=1, dim2=3).movedim(-1, 1)
    box = torch.linalg.det(own).abs().log() - (limits.high - limits.low).log().sum(-1)
    inside = limits.inside(axis_angle_to_matrix(angles))
    wide = log_volume(angles) - math.log(SO3)
    both = torch.logaddexp(torch.where(inside, box, -math.inf) + math.log(0.99), wide + math.log(0.01))
    return both[:, JOINTS].sum(-1)


def beliefs(draws: int) -> dict[str, Callable[[Tensor], Tensor]]:
    """Log density of the measured axis-angles under each belief, given all 21 joints."""
    vae, mixture, gaussian, limits = vae_prior().double(), mixture_prior(), gaussian_prior(), joint_limits().double()
    apart = gaussian.scale.square().sum(-1).sqrt().diag()
    clouds = marginal(mixture.means.double(), mixture.scales.double())
    chances = mixture.chances.double().log()
    one, alone = (marginal(gaussian.mean.double(), scale.double()) for scale in (gaussian.scale, apart))
    loose = vae_prior().double()
    loose.log_noise.copy_(freed_prior().spread.log())  # free joints are this noise, given a code

    def under(decoder: VaePose) -> Callable[[Tensor], Tensor]:
        generator = torch.Generator().manual_seed(2)
        return lambda angles: log_evidence(
            decoder, axis_angle_to_matrix(angles), JOINTS, draws=draws, widening=1.2, generator=generator
        )

    return {
        "variational code (bound)": under(vae),
        "the same, joints free (bound)": under(loose),
        "mixture of 8": lambda x: (clouds.log_prob(x.flatten(1)[:, None, COLUMNS]) + chances).logsumexp(-1),
        "one Gaussian": lambda x: one.log_prob(x.flatten(1)[:, COLUMNS]),
        "Gaussian, angles apart": lambda x: alone.log_prob(x.flatten(1)[:, COLUMNS]),
        "uniform in the limits": lambda x: uniform_in_limits(x, limits),
        "uniform over rotations": uniform_on_rotations,
    }


def reconstruction(angles: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of joints (mm, pelvis at the origin) and angle (degrees), a pose, after encoding and decoding."""
    vae = vae_prior()
    rotations = axis_angle_to_matrix(angles)
    again = vae.decode(vae.encode(rotations))
    apart = (joint_positions(again) - joint_positions(rotations)).norm(dim=-1).mean(-1)
    return 1000 * apart, geodesic_angle(again, rotations).mean(-1).rad2deg()


def samples(count: int) -> dict[str, Tensor]:
    """Rotations drawn from each prior, and from Gaussians as varied as those of the variational one."""
    generator = torch.Generator().manual_seed(3)
    vae, gaussian = vae_prior(), gaussian_prior()
    learnt = vae.decode(torch.randn(count, 32, generator=generator))
    vectors = matrix_to_axis_angle(learnt)
    white = torch.randn(count, 21, 3, generator=generator)
    same = vectors.mean(0) + vectors.std(0) * white
    round_ = vectors.mean(0) + vectors.std(0).square().mean().sqrt() * white
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        mixed = mixture_prior()
        clouds = mixed.decode(mixed.code().sample((count,)))
    return {
        "variational code": learnt,
        "mixture of 8": clouds,
        "one Gaussian": gaussian.decode(torch.randn(count, 63, generator=generator)),
        "as varied, angle by angle": axis_angle_to_matrix(same),
        "as varied, isotropic": axis_angle_to_matrix(round_),
    }


def main() -> int:
    """Prints the tables and the targets; 1 where a target is missed, 2 without data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few poses, under a minute")
    parser.add_argument("--data", type=Path, default=None, help="the folder with the motion files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    here = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = options.data or Path(os.environ.get("PROBBODY_DATA", here)) / "mocap"
    if not folder.exists():
        print("benchmarks/pose_prior.py: expected motion files in --data, found no such folder.", file=sys.stderr)
        return 2
    count, draws = (150, 40) if options.quick else (1000, 200)
    motions = read_motions(folder)
    unseen, seen = pose_set(motions, held_out=True), pose_set(motions, held_out=False)
    assert set(unseen.clips) == held_out_clips()
    generator = torch.Generator().manual_seed(1)
    poses = {"held out": unseen.draw(count, generator), "learnt from": seen.draw(count, generator)}
    noise = BLUR * torch.randn(count, 21, 3, generator=generator)
    print(f"pose priors: {count} poses of {len(unseen.clips)} takes held out, and of {len(seen.clips)} learnt from")

    print("\nnegative log likelihood, nats a dimension (57), blurred by 0.03 rad; lower is better")
    print(f"{'':30}{'held out':>12}{'learnt from':>14}")
    loss: dict[str, float] = {}
    for name, log_density in beliefs(draws).items():
        row = [-float(log_density((angles + noise).double()).mean()) / len(COLUMNS) for angles in poses.values()]
        loss[name] = row[0]
        print(f"{name:30}{row[0]:12.3f}{row[1]:14.3f}")

    print("\nvariational code: encoded and decoded again")
    print(f"{'':28}{'joints, mm':>12}{'95 %, mm':>12}{'angle, deg':>12}")
    error = {}
    for name, angles in poses.items():
        apart, turned = reconstruction(angles)
        error[name] = float(apart.mean())
        print(f"{name:28}{error[name]:12.1f}{float(apart.quantile(0.95)):12.1f}{float(turned.mean()):12.2f}")
    spread = 1000 * (joint_positions(axis_angle_to_matrix(poses["held out"]))).std(0).norm(dim=-1).mean()
    print(f"{'(spread of held-out poses)':28}{float(spread):12.1f}")

    print("\nsamples inside the joint limits, and their spread (root mean square over angles, rad)")
    print(f"{'':28}{'whole poses':>12}{'joints':>12}{'spread':>12}")
    limits, inside = joint_limits(), {}
    for name, rotations in {**samples(4000), **{k: axis_angle_to_matrix(v) for k, v in poses.items()}}.items():
        within = limits.inside(rotations)
        inside[name] = float(within.all(-1).float().mean())
        rms = float(matrix_to_axis_angle(rotations).std(0).square().mean().sqrt())
        print(f"{name:28}{inside[name]:12.3f}{float(within.float().mean()):12.4f}{rms:12.3f}")
    print()
    return judge(loss, error["held out"], inside)


def judge(loss: dict[str, float], error: float, inside: dict[str, float]) -> int:
    """One line a target; 1 where one is missed."""
    vae, mixture, one = (loss[name] for name in ("variational code (bound)", "mixture of 8", "one Gaussian"))
    same = inside["as varied, angle by angle"]
    targets = [
        ("variational code gains on one Gaussian, nats a dimension", one - vae, 0.1, True),
        ("mixture gains on one Gaussian, nats a dimension", one - mixture, 0.1, True),
        ("variational code gains on uniform limits, nats a dimension", loss["uniform in the limits"] - vae, 1.0, True),
        ("held-out reconstruction, mm", error, 30.0, False),
        ("samples inside the limits, variational code", inside["variational code"], 0.95, True),
        ("the same, above a Gaussian of equal variances by", inside["variational code"] - same, 0.0, True),
        ("held-out poses inside the limits", inside["held out"], 0.95, True),
    ]
    missed = 0
    for what, measured, wanted, above in targets:
        held = measured > wanted if above else measured < wanted
        missed += not held
        sign, verdict = (">" if above else "<"), ("held" if held else "missed")
        print(f"target: {what}, measured {measured:.3f}, wanted {sign} {wanted:g}, {verdict}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
