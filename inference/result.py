"""What every fit returns."""

import json
import zipfile
import zlib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probbody.data.files import written_whole
from probbody.errors import BadInput
from probbody.observation import Observation
from probbody.quantities import Pose


@dataclass(frozen=True)
class Fit:
    """A pose for each body, draws of the model's sites, and how the objective fell.

    ``draws`` has one entry a site, (N, B, ...), N = 1 for a maximum. ``losses`` are negative log densities (nats) of the
    start that won, ``loss`` the lowest of them, which ``pose`` has; ``start`` says which start it was and
    ``start_losses`` how low each came. ``converged``: the last fifth of the steps lowered the loss by less than half a
    nat. Where the model has pixels, ``occlusion`` is the chance that a pixel shows something that hides the body, and
    ``evidence`` says by how many nats the picture is likelier with this body than without any: where it is not above zero
    nothing of the body was seen, ``converged`` is False, and the pose means nothing. ``guess`` is what a network took the
    body for before it was fitted, where one did.
    """

    pose: Pose
    draws: dict[str, Float[Tensor, "N B *_"]]
    loss: Float[Tensor, " B"]
    losses: Float[Tensor, "T B"]
    converged: Bool[Tensor, " B"]
    start: Int[Tensor, " B"]
    start_losses: Float[Tensor, "starts B"]
    seed: int
    licences: tuple[str, ...] = ()
    occlusion: Float[Tensor, "B H W"] | None = None
    evidence: Float[Tensor, " B"] | None = None
    guess: Pose | None = None

    def __len__(self) -> int:
        return len(self.loss)

    def sites(self) -> dict[str, Float[Tensor, "B *_"]]:
        """The first draw of each site: the fitted values, ready for ``poutine.condition`` or as a start."""
        return {name: value[0] for name, value in self.draws.items()}

    def save(self, path: Path | str) -> None:
        """Write everything into one npz, without pickles, whole or not at all."""
        arrays = {f"pose.{field.name}": getattr(self.pose, field.name) for field in fields(self.pose)}
        if self.guess is not None:
            arrays |= {f"guess.{field.name}": getattr(self.guess, field.name) for field in fields(self.guess)}
        arrays |= {f"draws.{name}": value for name, value in self.draws.items()}
        for name in ("loss", "losses", "converged", "start", "start_losses", "occlusion", "evidence"):
            if (value := getattr(self, name)) is not None:
                arrays[name] = value
        plain = {name: value.detach().cpu().numpy() for name, value in arrays.items()}
        plain["seed"], plain["licences"] = np.array(self.seed), np.array(json.dumps(self.licences))
        with (
            written_whole(Path(path)) as temporary,
            temporary.open("wb") as stream,
        ):  # given a name, numpy would change it
            np.savez_compressed(stream, **plain)

    @classmethod
    def load(cls, path: Path | str) -> "Fit":
        """Read what ``save`` wrote; a file of another kind is refused."""
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                held = {name: archive[name] for name in archive.files}
            tensors = {name: torch.from_numpy(value) for name, value in held.items() if value.dtype.kind in "fib"}
            return cls(
                pose=_pose(tensors, "pose"),
                draws={n.removeprefix("draws."): value for n, value in tensors.items() if n.startswith("draws.")},
                seed=int(held["seed"]),
                licences=tuple(json.loads(str(held["licences"]))),
                occlusion=tensors.get("occlusion"),
                evidence=tensors.get("evidence"),
                guess=_pose(tensors, "guess") if "guess.rotations" in tensors else None,
                **{name: tensors[name] for name in ("loss", "losses", "converged", "start", "start_losses")},
            )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise BadInput(f"{path}: expected a fit saved by probbody (npz), found {_found(path, error)}.") from error


def as_fitted(observation: Observation, focal: Float[Tensor, " B"] | None) -> Observation:
    """The same at the focal length of the site ``focal``, a factor on the camera's; as it is where there is no such site."""
    return observation if focal is None else replace(observation, camera=observation.camera.zoomed(focal))


def _pose(tensors: dict[str, Tensor], name: str) -> Pose:
    return Pose(*(tensors[f"{name}.{field.name}"] for field in fields(Pose)))


def _found(path: Path | str, error: Exception) -> str:
    if not Path(path).exists():
        return "no such file"
    return f"a file without {error}" if isinstance(error, KeyError) else "something else"
