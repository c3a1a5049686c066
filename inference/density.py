"""The log density of a Pyro model, one number a body."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from pyro import poutine
from pyro.infer import Trace_ELBO
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import prune_subsample_sites
from torch import Tensor

from probbody.observation import Observation
from probbody.quantities import Pose

Model = Callable[[Observation], Pose]
"""Any Pyro program that tells of posed bodies, in a plate named ``bodies`` along the last batch dimension."""


class _EachStart(Messenger):
    """What a model is conditioned on, one value a body, stands for every start of that body."""

    def __init__(self, bodies: int) -> None:
        super().__init__()
        self.bodies = bodies

    def _pyro_sample(self, msg: Any) -> None:
        plate = next((each for each in msg["cond_indep_stack"] if each.name == "bodies"), None)
        if not msg["is_observed"] or plate is None or plate.size == self.bodies:
            return
        along = msg["value"].dim() - msg["fn"].event_dim - 1
        if along >= 0 and msg["value"].shape[along] == self.bodies:
            times = [1] * msg["value"].dim()
            times[along] = plate.size // self.bodies
            msg["value"] = msg["value"].repeat(times)


def of_each_start(model: Model, bodies: int) -> Model:
    """The model for several starts of each of so many bodies, as ``Observation.repeat`` has them; it may be conditioned."""
    told: Model = _EachStart(bodies)(model)
    return told


class BodyELBO(Trace_ELBO):
    """The evidence lower bound kept apart for each body, so that a batch of fits is a batch and not one sum.

    A model without the plate ``bodies`` counts as one body.
    """

    def terms(
        self, model: Model, guide: Callable[..., Any], observation: Observation
    ) -> dict[str, Float[Tensor, " B"]]:
        """What each site adds to the bound: its log density under the model less that under the guide."""
        model_trace, guide_trace = self._get_trace(model, guide, (observation,), {})
        found: dict[str, Tensor] = {}
        for trace, sign in ((model_trace, 1.0), (guide_trace, -1.0)):
            for name, site in trace.nodes.items():
                if site["type"] != "sample" or "log_prob" not in site:
                    continue
                value = sign * _by_body(site["log_prob"], site["cond_indep_stack"])
                found[name] = found[name] + value if name in found else value
        return found


def log_terms(
    model: Model, sites: Mapping[str, Float[Tensor, "B *_"]], observation: Observation
) -> dict[str, Float[Tensor, " B"]]:
    """The log density of every site where the latent ones have these values.

    What ``BodyELBO`` finds with a guide of point masses there; no guide is run here.
    """
    told = poutine.trace(poutine.condition(model, data=dict(sites))).get_trace(observation)
    trace = prune_subsample_sites(told)
    trace.compute_log_prob()
    return {
        name: _by_body(site["log_prob"], site["cond_indep_stack"])
        for name, site in trace.nodes.items()
        if site["type"] == "sample"
    }


def _by_body(log_prob: Tensor, plates: Any) -> Float[Tensor, " B"]:
    bodies = next((plate for plate in plates if plate.name == "bodies"), None)
    if bodies is None:
        return log_prob.sum()[None]
    size = bodies.size
    if log_prob.dim() == 0 or log_prob.shape[-1] != size:
        log_prob = log_prob.expand(torch.broadcast_shapes(log_prob.shape, (size,)))
    return log_prob.reshape(-1, size).sum(0)
