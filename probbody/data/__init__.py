"""Files of others, read as data."""

from .capture import read_motion as read_motion
from .capture import read_motions as read_motions
from .keypoints import People as People
from .keypoints import read_keypoints as read_keypoints
from .motion import Motion as Motion
