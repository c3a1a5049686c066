"""A pose prior learnt from captured motion."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import kl_divergence
from tqdm import tqdm

from probbody.data.files import written_whole
from probbody.errors import BadInput
from probbody.geometry.rotations import axis_angle_to_matrix
from probbody.priors.vae import VaePose

from .pose_data import PoseSet, taught_and_held_out
from .skeleton import joint_positions


@dataclass(frozen=True)
class PosePriorTraining:
    """How a variational pose prior is learnt.

    ``blur`` is noise in radians laid over every pose, the accuracy of the capture: without it joints that never move
    would have an infinite density. ``kl_weight`` scales the divergence of the code (1 is the evidence bound), reached over
    the first fifth of the steps. ``joint_weight`` multiplies the mean distance of the joints, in decimetres.
    """

    steps: int = 14_000
    batch: int = 128
    rate: float = 1e-3
    blur: float = 0.03
    kl_weight: float = 0.3
    joint_weight: float = 1.0
    num_code: int = 32
    hidden: int = 512
    seed: int = 0
    save_every: int = 1_000

    def __post_init__(self) -> None:
        least = {"steps": 1, "batch": 2, "num_code": 1, "hidden": 1, "save_every": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise BadInput(f"{name}: expected at least {value}, found {getattr(self, name)}.")


@dataclass(frozen=True)
class PosePriorResult:
    """What was learnt: the prior, the loss of every step, and the takes that it has not seen."""

    prior: VaePose
    losses: Float[Tensor, " T"]
    held_out: tuple[str, ...]


def train_pose_prior(
    data: str | Path | Iterable[str | Path],
    out: str | Path,
    training: PosePriorTraining | None = None,
    *,
    resume: bool = False,
    licence: str = "not stated",
    progress: bool = True,
) -> PosePriorResult:
    """Learns a ``VaePose`` from motion files and writes it to ``out`` (safetensors).

    Beside ``out`` stands a checkpoint while the learning lasts; with ``resume`` it is taken up where it was, to the same
    end as if it had never stopped. The same seed gives the same weights on the same machine.
    """
    training = training or PosePriorTraining()
    taught, kept = taught_and_held_out(data, licence)
    checkpoint = checkpoint_of(out)
    prior, losses = learnt(taught, training, checkpoint, resume=resume, licence=licence, progress=progress)
    settle(prior, taught, training.seed)
    with written_whole(out) as path:
        prior.save(path, {"seed": str(training.seed), "steps": str(training.steps)})
    checkpoint.unlink(missing_ok=True)
    return PosePriorResult(prior, losses, kept.clips)


def settle(prior: VaePose, taught: PoseSet, seed: int, draws: int = 20_000) -> None:
    """Takes the density of a prior's code from the poses that it has learnt from, every take as likely as any other."""
    angles = taught.takes_alike().draw(draws, torch.Generator().manual_seed(seed))
    prior.settle(axis_angle_to_matrix(angles))


def checkpoint_of(out: str | Path) -> Path:
    """Where a learning under way is kept that will write ``out``."""
    return Path(out).with_name(Path(out).name + ".checkpoint")


def learnt(
    taught: PoseSet, training: PosePriorTraining, checkpoint: Path, *, resume: bool, licence: str, progress: bool
) -> tuple[VaePose, Float[Tensor, " T"]]:
    """A prior of these poses, and the loss of every step; the random numbers of others are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        run = _Run(training, licence)
        if resume and checkpoint.exists():
            run.resume(checkpoint)
        for step in tqdm(range(run.step, training.steps), initial=run.step, total=training.steps, disable=not progress):
            run.advance(taught)
            if (step + 1) % training.save_every == 0:
                run.save(checkpoint)
    return run.prior.eval().requires_grad_(False), torch.tensor(run.losses)


def pose_loss(prior: VaePose, angles: Float[Tensor, "B 21 3"], training: PosePriorTraining, kl_weight: float) -> Tensor:
    """The negative evidence bound of noisy poses in nats, plus the distance of the joints."""
    target = axis_angle_to_matrix(angles)
    posterior, decoded = prior.reconstruct(target)
    fit = -prior.log_observed(target, decoded).mean()
    divergence = kl_divergence(posterior, prior.code()).mean()
    apart = (joint_positions(decoded) - joint_positions(target)).norm(dim=-1).mean()
    return fit + kl_weight * divergence + 10.0 * training.joint_weight * apart


class _Run:
    """A training under way: what a checkpoint must hold."""

    def __init__(self, training: PosePriorTraining, licence: str) -> None:
        self.training = training
        self.prior = VaePose(num_code=training.num_code, hidden=training.hidden, licence=licence)
        self.optimiser = torch.optim.Adam(self.prior.parameters(), lr=training.rate)
        self.step, self.losses = 0, list[float]()

    def advance(self, taught: PoseSet) -> None:
        training, done = self.training, self.step / self.training.steps
        for group in self.optimiser.param_groups:
            group["lr"] = training.rate * (1 - done) ** 0.9 if done > 0.02 else training.rate * (done / 0.02 + 0.02)
        angles = taught.draw(training.batch)
        angles = angles + training.blur * torch.randn_like(angles)
        loss = pose_loss(self.prior, angles, training, training.kl_weight * min(1.0, 5 * done + 0.01))
        if not loss.isfinite():
            raise FloatingPointError(f"the loss of step {self.step} is not finite; lower the rate.")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.prior.parameters(), 50.0)
        self.optimiser.step()
        self.step += 1
        self.losses.append(float(loss.detach()))

    def save(self, path: Path) -> None:
        state = {
            "training": vars(self.training),
            "prior": self.prior.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "step": self.step,
            "losses": self.losses,
        }
        with written_whole(path) as partial:
            torch.save(state, partial)

    def resume(self, path: Path) -> None:
        try:
            state = torch.load(path, weights_only=True)
            if state["training"] != vars(self.training):
                raise BadInput(f"{path}: expected a checkpoint of the same training, found one with other settings.")
            self.prior.load_state_dict(state["prior"])
            self.optimiser.load_state_dict(state["optimiser"])
            torch.set_rng_state(state["random"])
            self.step, self.losses = state["step"], state["losses"]
        except BadInput:
            raise
        except Exception as error:
            raise BadInput(f"{path}: expected a checkpoint, found a file that cannot be read.") from error
