"""Points, rotations, trees and cameras."""

from .cameras import CameraRig as CameraRig
from .cameras import PinholeCamera as PinholeCamera
from .cameras import WeakPerspectiveCamera as WeakPerspectiveCamera
from .crops import Crop as Crop
from .procrustes import Similarity as Similarity
from .procrustes import similarity as similarity
from .rest import at_rest as at_rest
from .rotations import axis_angle_to_matrix as axis_angle_to_matrix
from .rotations import geodesic_angle as geodesic_angle
from .rotations import matrix_to_axis_angle as matrix_to_axis_angle
from .rotations import matrix_to_quaternion as matrix_to_quaternion
from .rotations import matrix_to_six as matrix_to_six
from .rotations import project_to_rotation as project_to_rotation
from .rotations import quaternion_to_matrix as quaternion_to_matrix
from .rotations import six_to_matrix as six_to_matrix
from .skinning import linear_blend_skinning as linear_blend_skinning
from .trees import forward_kinematics as forward_kinematics
from .trees import rest_to_posed as rest_to_posed
