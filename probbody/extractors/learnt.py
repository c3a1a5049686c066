"""Everything that is learnt from pictures and that a fit to pixels needs."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..contracts import Background
from ..features.fields import DirectedFeatures
from ..geometry.cameras import PinholeCamera
from .guess_errors import GuessErrors
from .looks import Looks
from .reading import PictureReader, Reading


@dataclass(frozen=True)
class LearntFeatures:
    """A reader of pictures, and what it says of a body's points and of everything else."""

    reader: PictureReader
    features: DirectedFeatures
    """What each vertex of the body looks like, for each direction of its limb."""
    concentration: float
    """kappa, of the features of visible points about the expected ones; estimated on pictures not learnt from."""
    background: Background
    temper: float
    """What a pixel's evidence counts for, since neighbours are not independent; fitted on validation pictures."""
    licence: str
    spot_weight: float = 0.0
    """What the joints' maps count for beside the features, as an exponent; 0 where they are not believed."""
    guess_weight: float = 1.0
    """What the guess counts for beside both, as an exponent."""
    guesses: tuple[GuessErrors, ...] = ()
    """How far guesses are from the truth, where that was measured, on pictures not learnt from: of each network that guesses.
    Where there are several networks, their guesses take turns."""
    looks: Looks | None = None
    """How often pictures are looked at, of which ``guesses`` are the errors; once where there are none."""
    least_sure: float = 0.5
    """How sure the reader is of where joints are, the mean over them, where there is somebody. Of 44 photographs without
    anybody, of scenes that were backdrops in its learning, of the network that ships one was at 0.54, the next at 0.41."""

    @property
    def times(self) -> int:
        """How often pictures are looked at."""
        return 1 if self.looks is None else 1 + len(self.looks.further)

    @torch.no_grad()
    def read(self, images: Float[Tensor, "B 3 H W"], camera: PinholeCamera) -> Reading:
        """What the reader tells of pictures in all looks, for a fit to believe."""
        if self.looks is None:
            return self.reader.read(images, camera)
        return self.looks.read(self.reader, images, camera)
