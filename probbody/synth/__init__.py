"""Pictures of bodies, drawn from a seed, with everything known about them."""

from .backdrops import Backdrops as Backdrops
from .backdrops import MixedBackdrops as MixedBackdrops
from .backdrops import PhotographBackdrops as PhotographBackdrops
from .chances import Chances as Chances
from .labels import LabelledPictures as LabelledPictures
from .pictures import Pictures as Pictures
from .poses import CapturedPoses as CapturedPoses
from .poses import Poses as Poses
from .poses import PriorPoses as PriorPoses
from .scenery import DrawnBackdrops as DrawnBackdrops
