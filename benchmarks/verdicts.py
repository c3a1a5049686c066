"""What was wanted of a measurement, and whether it came."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A number that should stay at or below a limit."""

    what: str
    measured: float
    wanted: float
    unit: str = ""

    @property
    def held(self) -> bool:
        """Not-a-number is never held."""
        return self.measured <= self.wanted

    def __str__(self) -> str:
        verdict = "held" if self.held else "missed"
        return f"target: {self.what}, measured {self.measured:.3g}{self.unit}, wanted <= {self.wanted:g}{self.unit}, {verdict}"


@dataclass(frozen=True)
class AtLeast:
    """A number that should reach a limit."""

    what: str
    measured: float
    wanted: float
    unit: str = ""

    @property
    def held(self) -> bool:
        """Not-a-number is never held."""
        return self.measured >= self.wanted

    def __str__(self) -> str:
        verdict = "held" if self.held else "missed"
        return f"target: {self.what}, measured {self.measured:.3g}{self.unit}, wanted >= {self.wanted:g}{self.unit}, {verdict}"
