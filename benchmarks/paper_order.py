"""The order that the papers report, looked for in results: 3DNBF loses least under patches, and by what."""

from verdicts import AtLeast, Target

from probbody.inference.evaluate.results import Results, compared
from probbody.metrics import Mean, summed

CONTRAST, ONE, EIGHT = "without contrast", "1 direction", "8 directions"
"""Rows of the third table that need features of their own."""
USUAL = "as short a learning"
"""The row of features learnt as usual, but for no longer than those: what they are compared with where it is there."""
_WORTH = {
    "O = 1": "what O = 1 adds to the PA-MPJPE of 3DNBF at @80",
    "mesh in place of volume": "what a mesh adds to it",
    "outlier process off": "what it costs to switch the outlier process off",
    "released code": "what the released code's choices add to it",
    CONTRAST: "what training without contrast adds to it",
    ONE: "what training with O = 1 adds to it",
    EIGHT: "what O = 8 adds to it",
}


def judged(found: dict[int, Results]) -> list[Target | AtLeast]:
    """What was hoped for of the first and third table, as far as it was measured."""
    targets: list[Target | AtLeast] = _losses(found[1])
    third = found.get(3)
    if third is None or third.find("3DNBF", "@80") is None:
        return targets
    own = dict.fromkeys(one.method for one in third.results)
    learnt_shortly = (CONTRAST, ONE, EIGHT) if USUAL in own else ()
    apart = {
        name: worse(third, name, USUAL if name in learnt_shortly else "3DNBF")
        for name in own
        if name not in ("3DNBF", USUAL)
    }
    targets += [AtLeast(words, apart[name], 0.0, " mm") for name, words in _WORTH.items() if name in apart]
    return targets


def _losses(first: Results) -> list[Target | AtLeast]:
    """Errors at @80 beside those of the same people in the clear; differences of losses with their paired intervals."""
    names = ("regressor", "NeuralSMPL", "3DNBF")
    for measure in ("MPJPE", "PA-MPJPE"):
        told = [
            f"{name} {clean.value():.1f} to {hidden.value():.1f} mm (x {hidden.value() / clean.value():.3f})"
            for name in names
            for clean, hidden in [_both(first, name, measure)]
        ]
        print(f"{measure} from clean to @80: {'; '.join(told)}")
        for other in names[:2]:
            (clean, hidden), (theirs, their_hidden) = _both(first, "3DNBF", measure), _both(first, other, measure)
            more = summed([(1, hidden), (-1, clean), (-1, their_hidden), (1, theirs)], draws=2_000)
            print(f"  3DNBF loses more than {other} by {more.estimate:+.1f} [{more.low:+.1f}, {more.high:+.1f}] mm")
    share = {name: hidden.value() / clean.value() for name in names for clean, hidden in [_both(first, name, "MPJPE")]}
    words = "MPJPE of 3DNBF at @80 over clean, against"
    return [
        Target(f"{words} the regressor's", share["3DNBF"] / share["regressor"], 1.0),
        Target(f"{words} NeuralSMPL's", share["3DNBF"] / share["NeuralSMPL"], 1.0),
    ]


def _both(results: Results, method: str, measure: str) -> tuple[Mean, Mean]:
    """In the clear and behind patches."""
    clean, hidden = results.find(method, "clean"), results.find(method, "@80")
    assert clean is not None
    assert hidden is not None
    return clean.means[measure], hidden.means[measure]


def worse(results: Results, method: str, than: str = "3DNBF") -> float:
    """By how much PA-MPJPE at @80 is above that of another method, printed with its paired interval."""
    mine, other = results.find(method, "@80"), results.find(than, "@80")
    assert mine is not None
    assert other is not None
    apart = compared(mine, other, "PA-MPJPE")
    print(f"{method} less {than}, PA-MPJPE at @80: {apart.estimate:+.1f} [{apart.low:+.1f}, {apart.high:+.1f}] mm")
    return apart.estimate
