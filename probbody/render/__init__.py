"""Bodies as cameras see them."""

from .absorption import Absorption as Absorption
from .absorption import ClosedForm as ClosedForm
from .absorption import Composited as Composited
from .compiled.tracing import Compiled as Compiled
from .compiled.tracing import quickest as quickest
from .conservative import Conservative as Conservative
from .mesh import Maps as Maps
from .mesh import MeshRenderer as MeshRenderer
from .sight import ByThickness as ByThickness
from .sight import EachAlike as EachAlike
from .sight import OpticalDepth as OpticalDepth
from .tracing import StepByStep as StepByStep
from .tracing import Tracing as Tracing
from .volume import VolumeRenderer as VolumeRenderer
from .volume import released_volume as released_volume
