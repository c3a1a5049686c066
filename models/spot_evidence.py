"""Where a network sees each joint, hidden ones too: a map of chances for each, at which the body's joints are looked up."""

import pyro
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from probbody.observation import Observation

from .evidence import Evidence, Scene


class SpotEvidence(Evidence):
    r"""Joints where their maps say: the factor ``spots``, :math:`w \sum_j \log((1 - e) q_j(x_j) + e / n)`.

    ``q_j`` is the map of joint j, bilinear between the middles of its ``n`` places, ``x_j`` where the camera puts the joint; it
    is the network's density of a hidden cause given the picture, with a flat density of the place beforehand. Unlike the
    residual of a keypoint it may have several peaks, left and right for one. Outside the maps nothing is known.

    Args:
        weight: ``w``; joints are wrong together, and features of the same picture are believed beside them.
        wrong: ``e``, the share of joints that may be anywhere.
    """

    def __init__(self, weight: float = 1.0, wrong: float = 0.05) -> None:
        super().__init__()
        if not (0 < wrong <= 1 and 0 < weight < float("inf")):
            raise ValueError(f"weight, wrong: expected more than zero, a share at most 1, found {weight} and {wrong}.")
        self.weight, self.wrong = weight, wrong

    def observe(self, scene: Scene, observation: Observation) -> None:
        """Add the factor where the observation holds maps, one for each joint of the body."""
        if observation.spots is None:
            return
        joints, maps = scene.surface.joints, observation.spots
        if maps.shape[1] != joints.shape[1]:
            raise ValueError(f"spots: expected a map for each of {joints.shape[1]} joints, found {maps.shape[1]}.")
        chance = looked_up(maps, scene.camera.project(joints)[..., :2], scene.camera.size)
        told = ((1 - self.wrong) * chance + self.wrong / maps[0, 0].numel()).log()
        pyro.factor("spots", self.weight * told.sum(-1))


def looked_up(
    maps: Float[Tensor, "B J h w"], pixels: Float[Tensor, "B J 2"], size: tuple[int, int]
) -> Float[Tensor, "B J"]:
    """Each map at a pixel of a picture of that size (height, width), bilinear; zero outside."""
    height, width = size
    grid = 2 * pixels / pixels.new_tensor([width, height]) - 1
    apart = maps.flatten(0, 1).unsqueeze(1).to(pixels)
    found = F.grid_sample(apart, grid.flatten(0, 1)[:, None, None], padding_mode="zeros", align_corners=False)
    return torch.reshape(found, pixels.shape[:2])
