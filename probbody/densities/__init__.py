"""Densities that Pyro does not have."""

from .outliers import InlierOutlier as InlierOutlier
from .outliers import geman_mcclure as geman_mcclure
from .rotation import UniformRotation as UniformRotation
