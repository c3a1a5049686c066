"""Batches to learn from, out of a pool of drawn pictures."""

from collections.abc import Callable

import torch

from probbody.contracts import ArticulatedBody
from probbody.errors import BadInput

from .lesson import Lesson
from .picture_pool import PicturePool, PooledPictures

Lessons = Callable[[int, int], Lesson]
"""A batch of pictures: of this step, and of this size; the same whenever it is asked for."""


class PoolLessons:
    """Batches of a pool that may still grow: every so many steps it is looked what has been added.

    As long as the pool does not grow, the same step has the same pictures.
    """

    def __init__(self, pool: PicturePool, body: ArticulatedBody, seed: int = 0, look_every: int = 250) -> None:
        self.pool, self.body, self.seed, self.look_every = pool, body, seed, look_every
        self._known: tuple[int, int] = (-1, 0)

    def __call__(self, step: int, size: int) -> Lesson:
        """``size`` different pictures."""
        if step // self.look_every != self._known[0]:
            self._known = (step // self.look_every, len(self.pool.shards))
        return lesson_of(self.pool.batch(step, size, self.seed, self._known[1]), self.body)

    def alike(self) -> "PoolLessons":
        """The same pictures whatever the seed of the learning, so that the measures of two learnings compare."""
        return PoolLessons(self.pool, self.body, look_every=self.look_every)


def lesson_of(pictures: PooledPictures, body: ArticulatedBody) -> Lesson:
    """Pictures on the body's device, with the surface that they show; those of a body with other vertices are refused."""
    vertices, seen = len(body.weights), pictures.visible.shape[1]
    if seen != vertices:
        raise BadInput(f"pictures: expected to know which of {vertices} vertices one sees, found {seen} vertices.")
    here = pictures.to(body.weights.device)
    with torch.no_grad():
        surface = body(here.pose)
    return Lesson(
        images=here.images,
        camera=here.camera,
        pose=here.pose,
        surface=surface,
        parts=here.parts,
        mask=here.mask,
        occluder=here.occluder,
        visible=here.visible,
    )
