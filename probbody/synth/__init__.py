"""Pictures of bodies, drawn from a seed, with everything known about them."""

from .labels import LabelledPictures as LabelledPictures
