"""What the points of a body, and of all else, look like to a feature extractor."""

from .bins import AngleDirections as AngleDirections
from .bins import SigmoidDirections as SigmoidDirections
from .directions import CircleDirections as CircleDirections
from .directions import Directions as Directions
from .directions import OneDirection as OneDirection
from .directions import SphereDirections as SphereDirections
from .emissions import Emission as Emission
from .emissions import GaussianEmission as GaussianEmission
from .emissions import VonMisesFisherEmission as VonMisesFisherEmission
from .fields import ConditionalMixture as ConditionalMixture
from .fields import DirectedFeatures as DirectedFeatures
from .fields import ExpectedFeatures as ExpectedFeatures
from .limbs import Limbs as Limbs
from .limbs import at_rest as at_rest
from .limbs import limbs_of as limbs_of
from .random_features import random_features as random_features
from .random_features import random_field as random_field
from .released import ReleasedField as ReleasedField
