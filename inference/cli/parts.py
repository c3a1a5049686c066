"""Names meet objects: the one place that knows every part by its name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from probbody.bodies.open_body import open_body
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.smpl import smpl
from probbody.contracts import PosePrior
from probbody.errors import BadInput
from probbody.extractors.learnt import LearntFeatures
from probbody.extractors.shipped import load_features, second_features, shipped_features
from probbody.extractors.two_readers import beside
from probbody.features import LogMixture
from probbody.models import FeatureModel, KeypointEvidence
from probbody.priors import freed_prior, gaussian_prior, mixture_prior, vae_prior
from probbody.systems import neural_body_volume, neural_smpl, what_is_read

PRIORS: dict[str, Callable[[], PosePrior]] = {
    "vae": vae_prior,
    "freed": freed_prior,
    "mixture": mixture_prior,
    "gaussian": gaussian_prior,
}
BODIES = ("coarse", "fine")
FEATURE_MODELS = ("nbv", "neural-smpl")
KEYPOINTS = "keypoints"
"""The model that does not look at pictures."""


def body_named(name: str) -> SkinnedBody:
    """The open body, ``coarse`` or ``fine``, or a licensed one from its file."""
    if name in ("coarse", "fine"):
        return open_body("fine" if name == "fine" else "coarse")
    if Path(name).suffix.lower() not in (".npz", ".pkl"):
        raise BadInput(
            f"--body: expected {', '.join(BODIES)} or a file of the SMPL family (.npz, .pkl), found {name!r}."
        )
    return smpl(Path(name))


def prior_named(name: str) -> PosePrior:
    """A pose prior that ships."""
    if name not in PRIORS:
        raise BadInput(f"--prior: expected one of {', '.join(PRIORS)}, found {name!r}.")
    return PRIORS[name]()


def device_named(name: str) -> torch.device:
    """``auto`` is a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # meta makes tensors, but they hold nothing
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"--device: expected auto, cpu or a device that torch finds here, found {name!r}.") from error
    return device


def features_named(path: Path | None, body: SkinnedBody, device: torch.device) -> LearntFeatures:
    """Learnt features from a file, or those that ship, made for that body; those of another body are refused."""
    learnt = shipped_features() if path is None else load_features(path)
    found, expected = len(learnt.features.features), len(body.weights)
    if found != expected:
        whose = "those that ship" if path is None else str(path)
        raise BadInput(
            f"--features: expected features of a body with {expected} vertices, as --body has, found {found} in {whose}."
        )
    return on_device(learnt, device)


def with_second(learnt: LearntFeatures) -> LearntFeatures:
    """Read with the second network that ships too; features that it cannot stand beside are refused."""
    try:
        return beside(learnt, on_device(second_features(), learnt.features.features.device))
    except ValueError as error:
        raise BadInput(f"two networks: {error}") from error


def on_device(learnt: LearntFeatures, device: torch.device) -> LearntFeatures:
    """The same there."""
    parts = {name: getattr(learnt, name).to(device) for name in ("reader", "features", "background")}
    return replace(learnt, **parts, guesses=tuple(errors.to(device) for errors in learnt.guesses))


def feature_model(
    name: str, body: SkinnedBody, prior: PosePrior, learnt: LearntFeatures, layout: str | None = None
) -> FeatureModel:
    """The model of that name: it explains learnt features, beside them what else was read, and keypoints of a joint set."""
    likelihood = LogMixture(temper=learnt.temper)
    keypoints = None if layout is None else KeypointEvidence(body, layout)
    parts = (body, learnt.features, learnt.background, prior)
    kappa = learnt.concentration
    read = what_is_read(learnt)
    if name == "neural-smpl":
        return neural_smpl(*parts, concentration=kappa, likelihood=likelihood, keypoints=keypoints, evidence=read)
    beside = read if keypoints is None else (*read, keypoints)
    return neural_body_volume(*parts, concentration=kappa, likelihood=likelihood, evidence=beside)
