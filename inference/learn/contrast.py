r"""Features that tell the points of a body apart: from others, from those of a limb turned otherwise, and from clutter.

A bank keeps one unit feature for each vertex and direction, and a number of recent features of clutter. The loss of a
feature f at vertex v whose limb has the shares p(o) is

.. math:: -\sum_o p(o) \log \frac{e^{f \cdot \phi_{vo}/T}}{\sum_{u o'} e^{f \cdot \phi_{uo'}/T} + w \sum_n e^{f \cdot b_n/T}}

where u runs over v and all vertices not near it. The rows of the bank follow the features by a moving mean.

References: van den Oord et al. (2018), arXiv:1807.03748 (InfoNCE); Bai et al. (2020), CoKe, arXiv:2009.14115 (banks as
targets); Zhang et al. (2023), 3DNBF, section 3.6 (the three kinds of negatives).
"""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from torch import Tensor, nn
from torch.nn.functional import normalize

from probbody.contracts import ArticulatedBody
from probbody.geometry.rest import at_rest

from .feature_sampling import PointFeatures

LEAST = 1e-3
"""Shares of a direction that sum to less are no sight of it."""


class FeatureBank(nn.Module):
    """Rows of unit features that follow what is seen.

    Args:
        vertices, directions, channels: ``V``, ``O``, ``D``.
        clutter: how many features of clutter are kept, the latest.
        seed: of the rows before anything is seen.
    """

    rows: Float[Tensor, "V O D"]
    clutter: Float[Tensor, "N D"]
    seen: Int[Tensor, ""]

    def __init__(self, vertices: int, directions: int, channels: int, clutter: int = 2048, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer(
            "rows", normalize(torch.randn(vertices, directions, channels, generator=generator), dim=-1)
        )
        self.register_buffer("clutter", torch.zeros(clutter, channels))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    @property
    def remembered(self) -> Float[Tensor, "n D"]:
        """The features of clutter kept so far."""
        return self.clutter[: min(int(self.seen), len(self.clutter))]

    @torch.no_grad()
    def follow(self, points: PointFeatures, momentum: float = 0.9) -> None:
        """Rows go on to normalise(k row + (1 - k) mean), where k is the momentum to the power of how often a row was seen.

        A sight of a vertex counts for each direction by its share: of a limb that points up, the row that stands for away
        hardly moves, or else the rows of all directions would become one.
        """
        vertices, directions, channels = self.rows.shape
        total = self.rows.new_zeros(vertices, directions, channels)
        weighted = points.shares.unsqueeze(-1) * points.features.detach().unsqueeze(1)
        total.index_add_(0, points.vertex, weighted)
        weight = self.rows.new_zeros(vertices, directions).index_add_(0, points.vertex, points.shares)
        mean = total / weight.clamp_min(LEAST).unsqueeze(-1)
        keep = (momentum**weight).unsqueeze(-1)
        moved = normalize(keep * self.rows + (1 - keep) * mean, dim=-1)
        self.rows.copy_(torch.where((weight >= LEAST).unsqueeze(-1), moved, self.rows))

    @torch.no_grad()
    def remember(self, features: Float[Tensor, "N D"]) -> None:
        """Puts features of clutter in the place of the oldest."""
        size = len(self.clutter)
        latest = features.detach()[-size:]
        start = int(self.seen) + len(features) - len(latest)
        where = (start + torch.arange(len(latest), device=latest.device)) % size
        self.clutter[where] = latest
        self.seen += len(features)


def info_nce(
    points: PointFeatures,
    bank: FeatureBank,
    near: Bool[Tensor, "V V"],
    temperature: float = 0.07,
    clutter_weight: float = 5e-3,
) -> Float[Tensor, ""]:
    """The loss above, its mean over the points, in nats.

    ``near`` says which vertices are no negatives of each; nobody is near itself. ``clutter_weight`` is ``w``.
    """
    directions = bank.rows.shape[1]
    columns = directions * points.vertex.unsqueeze(1) + torch.arange(directions, device=points.vertex.device)
    away = near[points.vertex].nonzero(as_tuple=True)
    rows = torch.cat([bank.rows.flatten(0, 1), clutter := bank.remembered]) / temperature
    tilt = rows.new_zeros(len(rows))
    tilt[len(rows) - len(clutter) :] = math.log(clutter_weight)
    loss: Tensor = _CrossEntropy.apply(points.features, rows, tilt, columns, points.shares, away)[0]
    return loss


class _CrossEntropy(torch.autograd.Function):
    """-sum_o shares log softmax(features rows' + tilt) at the columns, mean over features; columns ``away`` are left out.

    The table of features times rows is gone through twice, and the gradient is made on the way: a third of the time of the same
    written out.
    """

    @staticmethod
    def forward(
        features: Tensor, rows: Tensor, tilt: Tensor, columns: Tensor, shares: Tensor, away: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        logits = torch.addmm(tilt, features, rows.mT)
        point, vertex = away
        for direction in range(columns.shape[1]):
            logits[point, columns.shape[1] * vertex + direction] = -torch.inf
        chances = logits.softmax(1)
        told = chances.gather(1, columns).clamp_min(torch.finfo(chances.dtype).tiny)
        loss = -(shares * told.log()).sum(1).mean()
        chances.mul_(shares.sum(1, keepdim=True)).scatter_add_(1, columns, -shares)
        return loss, chances @ rows / len(features)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        return grad * ctx.saved_tensors[0], None, None, None, None, None


def clutter_likeness(clutter: Float[Tensor, "N D"], bank: FeatureBank, temperature: float = 0.07) -> Float[Tensor, ""]:
    """How like the body's rows features of clutter are: T log mean exp(cos / T), between the mean cosine and the greatest."""
    logits = clutter @ bank.rows.flatten(0, 1).mT / temperature
    return temperature * (logits.logsumexp(1) - math.log(logits.shape[1])).mean()


def near_vertices(body: ArticulatedBody, reach: float = 0.08) -> Bool[Tensor, "V V"]:
    """Which vertices are nearer than ``reach`` metres to each, along the edges of the body at rest; never itself."""
    rest = at_rest(body)
    places, faces = rest.vertices[0].double().cpu(), rest.faces.cpu()
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = torch.unique(edges.sort(dim=1).values, dim=0)
    lengths = (places[edges[:, 0]] - places[edges[:, 1]]).norm(dim=-1)
    count = len(places)
    graph = coo_matrix((lengths.numpy(), (edges[:, 0].numpy(), edges[:, 1].numpy())), shape=(count, count))
    near = torch.from_numpy(dijkstra(graph.tocsr(), directed=False, limit=reach)).isfinite()
    return (near & ~torch.eye(count, dtype=torch.bool)).to(body.weights.device)
