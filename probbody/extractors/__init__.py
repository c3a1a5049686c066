"""What networks read out of a picture: features for every pixel, and a first guess of the body."""

from .guess_errors import GuessErrors as GuessErrors
from .guess_errors import joint_code as joint_code
from .learnt import LearntFeatures as LearntFeatures
from .looks import Look as Look
from .looks import Looks as Looks
from .reading import PictureReader as PictureReader
from .reading import Reading as Reading
