"""The most probable pose."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import pyro
import torch
from jaxtyping import Bool, Float
from pyro import poutine
from pyro.infer.autoguide import AutoDelta, init_to_value
from pyro.poutine.messenger import unwrap
from torch import Tensor, nn
from torch.distributions import transform_to

from probbody.observation import Observation
from probbody.quantities import Pose

from .density import Model, log_terms, of_each_start
from .optimisers import Adam
from .result import Fit, as_fitted
from .stages import Stage

Starts = Mapping[str, Float[Tensor, "starts B *_"]]
"""Values of some sites to start from, several for each body."""


class NonFiniteError(FloatingPointError):
    """A fit met not-a-number or infinity. ``site`` and ``step`` say where; ``best`` holds the best values before."""

    def __init__(self, site: str, step: int, bodies: list[int], best: dict[str, Tensor]) -> None:
        shown = ", ".join(map(str, bodies[:5])) + (", ..." if len(bodies) > 5 else "")
        super().__init__(f"the log density at site '{site}' is not finite at step {step} (bodies {shown})")
        self.site, self.step, self.bodies, self.best = site, step, bodies, best


def fit_map(
    model: Model,
    observation: Observation,
    *,
    steps: int = 80,
    rate: float = 0.02,
    stages: tuple[Stage, ...] | None = None,
    start: Starts | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Fit:
    """Maximise the posterior density of a Pyro model, for all bodies and all starts in one batch.

    Stochastic variational inference with a guide of point masses (``AutoDelta``), the bound kept apart for each body, so
    that a batch of N fits is N single fits; the best values met are returned, of the start that came lowest.

    Args:
        model: any Pyro program from an observation to a pose, with its bodies in a plate named ``bodies``.
        observation: what was seen of the bodies.
        steps, rate: of one stage of Adam over all sites, where ``stages`` is None.
        stages: what is fitted when.
        start: values to start from, (starts, B, ...) a site; a site not named starts at its prior's mean, and what the
            model has no site for is passed over, so that one start serves several models.
        seed: of every random draw; the state of torch's own generator is left as it was.
        progress: called with the steps done and the steps in all.

    Raises:
        ValueError: the model has a site for evidence, such as ``features``, that the observation does not hold.
        NonFiniteError: a log density or its gradient is not finite; the site and step are named, and the best values kept.
    """
    stages = stages or (Stage(steps, None, Adam(rate)),)
    count = 1 if not start else len(next(iter(start.values())))
    many, single = observation.repeat(count), model
    model = of_each_start(model, len(observation))
    # Values are checked here, body by body and site by site: a distribution's own check would end a whole line search.
    unchecked = {"validate_distributions_pyro": False, "validate_distributions_torch": False, "validate_poutine": False}
    with torch.random.fork_rng(), pyro.settings.context(module_local_params=True, **unchecked):
        torch.manual_seed(seed)
        flat = {name: value.detach().flatten(0, 1).clone() for name, value in (start or {}).items()}
        guide = AutoDelta(model, init_loc_fn=init_to_value(values=flat, fallback=usual_value))
        descent = _Descent(model, guide, many)
        for stage in stages:
            for done in descent.run(stage):
                if progress is not None:
                    progress(done, sum(each.steps for each in stages))
        return _chosen(single, observation, descent, count, seed)


def each_start(
    model: Model,
    many: Observation,
    starts: Starts,
    stages: tuple[Stage, ...],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Fit:
    """Every start fitted as a body of its own, so that all come back and not the best of each body alone.

    Args:
        model, stages, seed, progress: as of ``fit_map``.
        many: what was seen of each start: all bodies, then all again, as ``Observation.repeat`` has them.
        starts: of some sites, (starts, B, ...) each.

    Returns: a fit of starts times B bodies, in that order.
    """
    flat = {name: value.flatten(0, 1)[None] for name, value in starts.items()}
    bodies = len(many) // max(len(next(iter(starts.values()))), 1)
    return fit_map(of_each_start(model, bodies), many, stages=stages, start=flat, seed=seed, progress=progress)


def usual_value(site: dict[str, Any] | None = None) -> Any:
    """Where a site starts that was given no value: its mean, else its mode, else a draw; not at the end of its support."""
    if site is None:
        return usual_value
    for name in ("mean", "mode"):  # distributions that lack one say so in either of these ways
        with contextlib.suppress(NotImplementedError, AttributeError):
            value = getattr(site["fn"], name).detach().clone()
            if bool(transform_to(site["fn"].support).inv(value).isfinite().all()):
                return value
    return site["fn"].sample().detach()


class _Descent:
    """The bodies on their way down: the guide's values, the best met so far, the losses."""

    def __init__(self, model: Model, guide: AutoDelta, observation: Observation) -> None:
        self.model, self.guide, self.observation = model, guide, observation
        guide(observation)  # lays out one parameter a site
        self.parameters = {name.removesuffix("_unconstrained"): value for name, value in guide.named_parameters()}
        unseen = {field.name for field in fields(observation)} & set(self.parameters)
        if unseen:
            raise ValueError(
                f"fit_map: the model tells of {', '.join(sorted(unseen))} but the observation holds none; give it, or hide the "
                "site with poutine.block."
            )
        if bare := [name for name, value in self.parameters.items() if value.dim() == 0]:
            raise ValueError(f"fit_map: expected all sites in the plate 'bodies', found {', '.join(bare)} outside.")
        assert guide.prototype_trace is not None  # since then
        places = dict(guide.prototype_trace.iter_stochastic_nodes())
        self.supports = {name: transform_to(places[name]["fn"].support) for name in self.parameters}
        self.losses: list[Tensor] = []
        self.began = 0
        """How many of the losses are of earlier stages."""
        self.best: dict[str, Tensor] = {}
        self.lowest: Tensor | None = None

    def run(self, stage: Stage) -> Iterator[int]:
        """Go through one stage; yields the number of steps done in all."""
        unknown = set(stage.free or ()) - set(self.parameters)
        if stage.free and unknown == set(stage.free):
            raise ValueError(
                f"Stage: none of the sites {', '.join(stage.free)} is in the model; it has {', '.join(self.parameters)}."
            )
        free = {name: value for name, value in self.parameters.items() if not stage.free or name in stage.free}
        self.lowest, self.began = None, len(self.losses)  # under other weights another loss
        for loss in stage.optimiser.run(lambda: self._loss(stage.weights), free, stage.steps):
            self._require_finite(free, len(loss))
            self._keep(loss)
            self.losses.append(loss)
            yield len(self.losses)
        self._put(self.best)

    def _loss(self, weights: Mapping[str, float]) -> Float[Tensor, " B"]:
        sites = {name: self.supports[name](value) for name, value in self.parameters.items()}  # as the guide tells them
        self.terms = log_terms(self.model, sites, self.observation)
        most = max(map(len, self.terms.values()))
        if outside := [name for name, term in self.terms.items() if len(term) != most]:
            words = f"fit_map: expected all sites in the plate 'bodies' of {most}"
            raise ValueError(f"{words}, found {', '.join(outside)} outside.")
        return -torch.stack([weights.get(name, 1.0) * term for name, term in self.terms.items()]).sum(0)

    def _require_finite(self, free: Mapping[str, nn.Parameter], bodies: int) -> None:
        gradients = {
            f"gradient of {name}": value.grad.reshape(bodies, -1).sum(-1)
            for name, value in free.items()
            if value.grad is not None
        }
        for site, term in [*self.terms.items(), *gradients.items()]:
            if not torch.isfinite(term).all():
                wrong = (~torch.isfinite(term)).nonzero().flatten().tolist()
                best = {name: self.supports[name](value) for name, value in self.best.items()}
                raise NonFiniteError(site, len(self.losses), wrong, best)

    def _keep(self, loss: Float[Tensor, " B"]) -> None:
        better = torch.ones_like(loss, dtype=torch.bool) if self.lowest is None else loss < self.lowest
        self.lowest = loss if self.lowest is None else torch.minimum(loss, self.lowest)
        for name, value in self.parameters.items():
            now = value.detach().reshape(len(loss), -1)
            before = self.best.get(name)
            kept = now if before is None else torch.where(better[:, None], now, before.reshape(len(loss), -1))
            self.best[name] = kept.reshape(value.shape).clone()

    def _put(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(values[name])


def _chosen(model: Model, observation: Observation, descent: _Descent, count: int, seed: int) -> Fit:
    """The start of each body that came lowest."""
    with torch.no_grad():
        loss = descent._loss({})  # of the posterior itself, whatever the weights on the way
        bodies = len(loss) // count
        by_start = loss.reshape(count, bodies)
        start = by_start.argmin(0)
        picked = start * bodies + torch.arange(bodies, device=start.device)
        found = descent.guide(descent.observation)
        sites = {n: (value[picked] if len(loss) > 1 else value).detach() for n, value in found.items()}
        story = poutine.trace(poutine.condition(model, data=sites)).get_trace(observation)
        told = story.nodes["_RETURN"]["value"]
        assert isinstance(told, Pose)
        pose = told.detach()
        focal = story.nodes["focal"]["value"] if "focal" in story.nodes else None  # fitted, or known
        seen = as_fitted(observation, focal)
        asked = unwrap(model) if "features" in story.nodes else None  # hidden features say nothing
        occlusion, evidence = (_told(asked, name, pose, seen) for name in ("occlusion", "evidence"))
    losses = torch.stack(descent.losses)[:, picked]
    late = losses[max(len(losses) - max(len(losses) // 5, 1) - 1, descent.began) :]
    return Fit(
        pose=pose,
        draws={name: value[None] for name, value in sites.items()},
        loss=by_start.gather(0, start[None])[0],
        losses=losses,
        converged=_settled(late) if evidence is None else _settled(late) & (evidence > 0),
        start=start,
        start_losses=by_start,
        seed=seed,
        licences=tuple(getattr(unwrap(model), "licences", ())),
        occlusion=occlusion,
        evidence=evidence,
    )


def _told(model: Model | None, name: str, pose: Pose, observation: Observation) -> Tensor | None:
    """What a model with pixels says of a pose beside its density."""
    question = getattr(model, name, None)
    return None if question is None else question(pose, observation)


def _settled(late: Float[Tensor, "T B"]) -> Bool[Tensor, " B"]:
    """Whether the last losses fell by less than half a nat."""
    return late[0] - late.cummin(0).values[-1] < 0.5
