"""Densities that Pyro does not have."""

from .joined import JoinedVectors as JoinedVectors
from .occlusion import OcclusionDensity as OcclusionDensity
from .occlusion import PixelDensity as PixelDensity
from .outliers import InlierOutlier as InlierOutlier
from .outliers import geman_mcclure as geman_mcclure
from .rotation import UniformRotation as UniformRotation
from .rotation import UprightRotation as UprightRotation
from .sphere import UniformSphere as UniformSphere
from .von_mises_fisher import VonMisesFisher as VonMisesFisher
from .von_mises_fisher import VonMisesFisherMixture as VonMisesFisherMixture
