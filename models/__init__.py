"""Generative models: how what is seen of a body comes about."""

from .keypoint_body import GemanMcClureNoise as GemanMcClureNoise
from .keypoint_body import KeypointBody as KeypointBody
from .keypoint_body import KeypointNoise as KeypointNoise
from .keypoint_body import NormalOrAnywhere as NormalOrAnywhere
from .posed_body import PosedBody as PosedBody
