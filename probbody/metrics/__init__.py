"""How well a method does, and how sure one can be of it."""

from .alignments import AsTheyAre as AsTheyAre
from .alignments import Procrustes as Procrustes
from .alignments import Rooted as Rooted
from .alignments import RootedApart as RootedApart
from .joints import mpjpe as mpjpe
from .joints import pa_mpjpe as pa_mpjpe
from .joints import pve as pve
from .joints import reprojection_error as reprojection_error
from .keypoints import box_lengths as box_lengths
from .keypoints import head_lengths as head_lengths
from .keypoints import keypoint_scores as keypoint_scores
from .means import Interval as Interval
from .means import Mean as Mean
from .means import interval as interval
from .means import paired as paired
from .means import summed as summed
from .occlusion_maps import auc as auc
from .occlusion_maps import brier as brier
from .occlusion_maps import occlusion_scores as occlusion_scores
from .posteriors import coverage as coverage
from .posteriors import credible_levels as credible_levels
from .posteriors import energy_score as energy_score
from .posteriors import least_error as least_error
from .scores import Scores as Scores
from .scores import joint_scores as joint_scores
