"""Generative models: how what is seen of a body comes about."""

from .evidence import Evidence as Evidence
from .evidence import KeypointEvidence as KeypointEvidence
from .evidence import OutlineEvidence as OutlineEvidence
from .evidence import PartEvidence as PartEvidence
from .feature_image import FeatureImage as FeatureImage
from .feature_image import FeatureModel as FeatureModel
from .guess_evidence import GuessEvidence as GuessEvidence
from .keypoint_body import GemanMcClureNoise as GemanMcClureNoise
from .keypoint_body import KeypointBody as KeypointBody
from .keypoint_body import KeypointNoise as KeypointNoise
from .keypoint_body import NormalOrAnywhere as NormalOrAnywhere
from .matched_body import MatchedBody as MatchedBody
from .neural_body_volume import NeuralBodyVolume as NeuralBodyVolume
from .neural_smpl import NeuralSMPL as NeuralSMPL
from .posed_body import PosedBody as PosedBody
from .rigid_mesh import RigidMesh as RigidMesh
from .spot_evidence import SpotEvidence as SpotEvidence
