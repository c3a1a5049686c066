"""Everything that is learnt from pictures and that a fit to pixels needs."""

from dataclasses import dataclass

from ..contracts import Background
from ..features.fields import DirectedFeatures
from .guess_errors import GuessErrors
from .reading import PictureReader


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
    guess: GuessErrors | None = None
    """How far the reader's guesses are from the truth, where that was measured, on pictures not learnt from."""
