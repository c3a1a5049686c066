"""Articulated bodies."""

from .joints import JointSet as JointSet
from .joints import convert as convert
from .joints import joint_set as joint_set
from .open_body import open_body as open_body
from .proportions import with_bone_lengths as with_bone_lengths
from .regressors import KeypointRegressor as KeypointRegressor
from .rigid import rigid as rigid
from .skinned import SkinnedBody as SkinnedBody
from .smpl import import_smpl as import_smpl
from .smpl import smpl as smpl
from .smpl import validate_smpl as validate_smpl
from .tubes import tubes as tubes
