"""Occluders placed where they hurt most, for any method that finds joints in pictures."""

from .damage import JointError as JointError
from .damage import VisibleJointError as VisibleJointError
from .drawings import draw_body as draw_body
from .drawings import draw_map as draw_map
from .drawings import write_mesh as write_mesh
from .patches import PatchGrid as PatchGrid
from .record import WorstPatches as WorstPatches
from .record import read_patches as read_patches
from .search import Attack as Attack
from .sensitivity import ErrorMap as ErrorMap
from .sensitivity import vertex_errors as vertex_errors
from .targets import Targets as Targets
from .textures import PlainTexture as PlainTexture
from .textures import ProceduralTextures as ProceduralTextures
from .textures import TextureFolder as TextureFolder
