"""Names meet objects: the one place that knows every part by its name."""

from collections.abc import Callable
from pathlib import Path

import torch

from probbody.bodies.open_body import open_body
from probbody.bodies.skinned import SkinnedBody
from probbody.bodies.smpl import smpl
from probbody.contracts import PosePrior
from probbody.errors import BadInput
from probbody.priors import gaussian_prior, mixture_prior, vae_prior

PRIORS: dict[str, Callable[[], PosePrior]] = {"vae": vae_prior, "mixture": mixture_prior, "gaussian": gaussian_prior}
BODIES = ("coarse", "fine")


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
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"--device: expected auto, cpu or a device that torch finds here, found {name!r}.") from error
    return device
