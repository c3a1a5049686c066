"""The priors that come with the package, learnt from the CMU motion capture database."""

import json
from importlib.resources import as_file, files

from .freed import FreedPose
from .gaussian import GaussianPose
from .limits import JointLimits
from .mixture import Form, MixturePose
from .vae import VaePose

_ASSETS = files("probbody.assets")


def vae_prior() -> VaePose:
    """A learnt space of 32 dimensions: smooth, and good at what people do often."""
    with as_file(_ASSETS / "pose_prior_vae.safetensors") as path:
        return VaePose.load(path)


def freed_prior() -> FreedPose:
    """The same space, and joints that may leave it by what it leaves over of poses that it has not seen: 95 numbers."""
    with as_file(_ASSETS / "pose_prior_freedom.safetensors") as path:
        return FreedPose.load(path, vae_prior())


def mixture_prior(form: Form = "sum") -> MixturePose:
    """Eight clouds over the axis-angles; ``form="max"`` counts as SMPLify does."""
    with as_file(_ASSETS / "pose_prior_mixture.safetensors") as path:
        return MixturePose.load(path, form)


def gaussian_prior() -> GaussianPose:
    """One Gaussian over the axis-angles."""
    with as_file(_ASSETS / "pose_prior_gaussian.safetensors") as path:
        return GaussianPose.load(path)


def joint_limits() -> JointLimits:
    """How far captured people turned each joint."""
    with as_file(_ASSETS / "joint_limits.safetensors") as path:
        return JointLimits.load(path)


def held_out_clips() -> frozenset[str]:
    """The takes that none of these priors has seen: measure on them."""
    return frozenset(json.loads((_ASSETS / "pose_prior_split.json").read_text(encoding="utf-8"))["held_out"])
