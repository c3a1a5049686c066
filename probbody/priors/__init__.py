"""Pose priors."""

from .freed import FreedPose as FreedPose
from .gaussian import GaussianPose as GaussianPose
from .limits import JointLimits as JointLimits
from .limits import log_hinges as log_hinges
from .mixture import MaxMixture as MaxMixture
from .mixture import MixturePose as MixturePose
from .shipped import freed_prior as freed_prior
from .shipped import gaussian_prior as gaussian_prior
from .shipped import held_out_clips as held_out_clips
from .shipped import joint_limits as joint_limits
from .shipped import mixture_prior as mixture_prior
from .shipped import vae_prior as vae_prior
from .vae import VaePose as VaePose
