"""How well methods do on the same pictures: methods as objects, one run, tables with intervals, a report."""

from .fine_tuning import FineTuned as FineTuned
from .fitting import Fitted as Fitted
from .method import Answer as Answer
from .method import Method as Method
from .method import Seen as Seen
from .regression import Started as Started
from .starts import Start as Start
