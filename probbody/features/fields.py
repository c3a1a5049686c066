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
    proper expectations both. Attributes are, direction after direction, the feature times its share, and the share.
    """

    def __init__(self, features: DirectedFeatures, emission: Emission) -> None:
        super().__init__()
        self.features, self.emission, self.channels = features, emission, features.channels

    def attributes(self, surface: Surface, camera: Camera) -> Float[Tensor, "B V C"]:
        """``O`` times (D + 1) channels."""
        weights = self.features.weights(surface, camera)
        told = self.features.features.to(weights)
        carries = (told != 0).any(-1, keepdim=True).to(told)
        return (weights.unsqueeze(-1) * torch.cat([told, carries], dim=-1)).flatten(2)

    def conditional(self, rendered: Float[Tensor, "*N C"]) -> Density:
        """The mixture over directions."""
        parts = rendered.unflatten(-1, (self.features.directions.count, self.channels + 1))
        return self.emission.among((parts[..., -1] + UNSEEN).log(), parts[..., :-1])
