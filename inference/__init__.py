"""Questions asked of any model with a log density."""

from .basins import log_masses as log_masses
from .density import BodyELBO as BodyELBO
from .features import feature_stages as feature_stages
from .features import fit_features as fit_features
from .keypoints import fit_keypoints as fit_keypoints
from .maximum import NonFiniteError as NonFiniteError
from .maximum import fit_map as fit_map
from .optimisers import LBFGS as LBFGS
from .optimisers import Adam as Adam
from .optimisers import Optimiser as Optimiser
from .pixels import Sketch as Sketch
from .pixels import fit_pixels as fit_pixels
from .result import Fit as Fit
from .stages import Stage as Stage
from .stages import keypoint_stages as keypoint_stages
from .start import alternatives as alternatives
from .start import keypoint_starts as keypoint_starts
from .start import triangulate as triangulate
from .viewpoints import screened as screened
from .viewpoints import viewpoints as viewpoints
