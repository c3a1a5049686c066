"""An open benchmark of people behind things: it ships as code and seeds, and every result carries what it was made by."""

from .benchmark import EXTENTS as EXTENTS
from .benchmark import LARGE as LARGE
from .benchmark import SMALL as SMALL
from .benchmark import STANDARD as STANDARD
from .benchmark import Extent as Extent
from .benchmark import SynthOcc as SynthOcc
from .conditions import Attacked as Attacked
from .conditions import Clean as Clean
from .conditions import Condition as Condition
from .conditions import Natural as Natural
from .detector import Detector as Detector
from .scenes import JOINTS as JOINTS
from .scenes import Scenes as Scenes
from .scenes import shown_joints as shown_joints
from .selection import clean as clean
from .selection import hidden_share as hidden_share
from .sources import Source as Source
from .sources import captured as captured
from .sources import drawn as drawn
