"""One page that shows a run: tables, plots, pictures; nothing is loaded from elsewhere."""

from .gallery import Shown as Shown
from .gallery import best_and_worst as best_and_worst
from .page import write_page as write_page
