"""The volume renderer once more, in the processor's own language."""

from .tracing import Compiled as Compiled
from .tracing import quickest as quickest
