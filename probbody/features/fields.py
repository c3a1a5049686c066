"""What the points of a body look like when its limbs are turned this way or that.

Every vertex has one unit feature for each of a few directions in which its limb may point to the camera; a renderer carries
what is expected of the vertices to the pixels.

References: Zhang et al. (2023), 3DNBF, ICCV, section 3.7 (expected features); NeuralSMPL (the mixture over directions).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..contracts import Camera, Density, FeatureField
from ..quantities import Surface
from .directions import Directions
from .emissions import Emission
from .limbs import Limbs

UNSEEN = 1e-8
"""Added to rendered weights: where a pixel is covered less than that, each direction is as likely as the next."""


class DirectedFeatures(nn.Module):
    """A unit feature for each vertex and each direction that its limb may have: phi_vo.

    Rows of zeros are vertices that carry no feature. Features, in length or number, that do not fit are a ValueError.
    """

    features: Float[Tensor, "V O D"]
    belongs: Float[Tensor, "V L"]

    def __init__(self, features: Float[Tensor, "V O D"], limbs: Limbs, directions: Directions) -> None:
        super().__init__()
        if features.shape[:2] != (len(limbs.vertex), directions.count):
            raise ValueError(
                f"features: expected {len(limbs.vertex)} vertices and {directions.count} directions, "
                f"found {features.shape[0]} and {features.shape[1]}."
            )
        length = features.norm(dim=-1)
        wrong = ~(((length - 1).abs() < 1e-3) | (length == 0))  # NaN is wrong too
        if wrong.any():
            raise ValueError(f"features: expected unit or zero length, found {float(length[wrong][0]):.4g}.")
        self.limbs, self.directions = limbs, directions
        self.register_buffer("features", features)
        belongs = nn.functional.one_hot(limbs.vertex, len(limbs)).to(features)
        self.register_buffer(
            "belongs", belongs, persistent=False
        )  # a product with it has an exact, repeatable gradient

    @property
    def channels(self) -> int:
        """``D``, the length of a feature."""
        return self.features.shape[-1]

    def weights(self, surface: Surface, camera: Camera) -> Float[Tensor, "B V O"]:
        """What share of each direction the limb of each vertex has."""
        if surface.vertices.shape[1] != len(self.belongs):
            raise ValueError(f"surface: expected {len(self.belongs)} vertices, found {surface.vertices.shape[1]}.")
        shares = self.directions.weights(self.limbs.direction(surface, camera))
        return self.belongs.to(shares) @ shares


class ExpectedFeatures(FeatureField):
    """The renderer carries the mean feature of each vertex, sum_o p(o | limb direction) phi_vo; a pixel scatters about it."""

    def __init__(self, features: DirectedFeatures, emission: Emission) -> None:
        super().__init__()
        self.features, self.emission, self.channels = features, emission, features.channels

    def attributes(self, surface: Surface, camera: Camera) -> Float[Tensor, "B V D"]:
        """The mean features, inside the unit sphere."""
        weights = self.features.weights(surface, camera)
        return torch.einsum("bvo,vod->bvd", weights, self.features.features.to(weights))

    def conditional(self, rendered: Float[Tensor, "*N D"]) -> Density:
        """The emission about the direction of the mean."""
        return self.emission.around(rendered)


class ConditionalMixture(FeatureField):
    """The renderer carries each direction's feature and chance; a pixel scatters about one direction's, whichever it is.

    The 3D-aware mixture of NeuralSMPL. With w_o the share of direction o, a pixel sees W_o = sum_v r_v w_vo and
    Phi_o = sum_v r_v w_vo phi_vo under the weights r of the renderer; its density is sum_o (W_o / sum W) p(f | Phi_o / W_o),
    proper expectations both. Attributes are the features times their shares, direction after direction, and then the shares.
    """

    def __init__(self, features: DirectedFeatures, emission: Emission) -> None:
        super().__init__()
        self.features, self.emission, self.channels = features, emission, features.channels

    def attributes(self, surface: Surface, camera: Camera) -> Float[Tensor, "B V C"]:
        """``O`` times (D + 1) channels."""
        weights = self.features.weights(surface, camera)
        phi = self.features.features.to(weights)
        shares = weights * (phi != 0).any(-1)
        return torch.cat([(weights.unsqueeze(-1) * phi).flatten(2), shares], dim=-1)

    def conditional(self, rendered: Float[Tensor, "*N C"]) -> Density:
        """The mixture over directions."""
        phi, shares = split(rendered, self.features.directions.count)
        return self.emission.among((shares + UNSEEN).log(), phi)


def split(rendered: Float[Tensor, "*N C"], count: int) -> tuple[Float[Tensor, "*N O D"], Float[Tensor, "*N O"]]:
    """Features direction after direction and the shares of the directions, of what a renderer carried together."""
    features, shares = rendered.split([rendered.shape[-1] - count, count], dim=-1)
    return features.unflatten(-1, (count, -1)), shares
