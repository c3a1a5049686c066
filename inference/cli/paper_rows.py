"""The rows and columns of the papers' tables, by the names of the command line."""

from collections.abc import Sequence

TABLES: dict[int, tuple[str, ...]] = {
    1: ("mean-pose", "regressor", "looks", "neural-smpl", "nbv"),
    2: ("regressor", "smplify", "outline", "eft", "neural-smpl", "neural-smpl+keypoints", "nbv", "nbv+keypoints"),
    3: (
        "nbv", "regressor", "nbv-one-look", "nbv-one-direction", "nbv-mesh", "nbv-without-outliers", "released-code",
        "nbv-features-alone", "nbv-without-guess", "nbv-without-matches", "nbv-tau-0.1", "nbv-tau-10",
        "nbv-from-the-mean", "nbv+outline", "nbv+keypoints", "outline", "nbv+keypoints+outline",
    ),
}  # fmt: skip
"""Methods under all conditions, fits from one start, what each part is worth."""
TITLES = {
    1: "Methods on {}",
    2: "Fits from one start, with the same keypoints, on {}",
    3: "What each part of 3DNBF is worth, on {}",
}
CONDITIONS = {1: ("clean", "natural", "@40", "@80"), 2: ("clean", "@40", "@80"), 3: ("clean", "@80")}
LEARNT_OTHERWISE = {
    "without contrast": "probbody train features --without-contrast",
    "1 direction": "probbody train features --directions 1",
    "8 directions": "probbody train features --directions 8",
}
"""Rows of the third table that need features of their own, and how these are learnt."""


def lacking(rows: Sequence[str]) -> str:
    """What is not among the rows of the third table, and how it gets there, a line each."""
    return "\n".join(
        f'not in this table: {name}; give --beside "{name}=FILE" with features of {how}'
        for name, how in LEARNT_OTHERWISE.items()
        if name not in rows
    )
