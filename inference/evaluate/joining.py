"""Results on parts of SynthOcc that were measured apart, such as on several machines, as the results on all of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from probbody.adversary.record import hashed
from probbody.errors import BadInput
from probbody.metrics.means import Mean
from probbody.synthocc import EXTENTS

from .results import Result, Results

_OF_PARTS = ("set", "pictures", "first", "hash")
"""What protocols of parts of one set differ in."""


def joined_results(parts: Sequence[Results], sources: Sequence[str]) -> Results:
    """One card, under the protocol that its pictures have when they are measured at once.

    Every number of a picture is kept, so that means and intervals are those of one run; seconds are means over pictures, and
    so are the errors of joints, which SynthOcc knows all of.

    Args:
        parts: in any order; together they are pictures that follow each other.
        sources: what each is called where it is refused, such as its file.

    Raises:
        BadInput: another benchmark or protocol, pictures twice or left out, another method, condition or setting.
    """
    spans = [_span(each.protocol, source) for each, source in zip(parts, sources, strict=True)]
    order = sorted(range(len(parts)), key=lambda number: spans[number])
    if len(order) < 2:
        raise BadInput(f"results: expected those of two parts or more, found {len(order)}.")
    head, *others = order
    for before, number in zip(order, others, strict=False):
        _check(parts[head], parts[number], sources[head], sources[number])
        if spans[number][0] != spans[before][1]:
            first, last = spans[before]
            raise BadInput(
                f"{sources[number]}: expected pictures from {last} on, as {sources[before]} has {first}:{last}, found"
                f" {spans[number][0]}:{spans[number][1]}."
            )
    several = [parts[number] for number in order]
    if not several[0].results:
        raise BadInput(f"{sources[head]}: expected results of one method or more, found none.")
    results = tuple(
        _result([each.find(one.method, one.condition) or one for each in several]) for one in several[0].results
    )
    protocol = _protocol(several[0].protocol, spans[head][0], spans[order[-1]][1])
    return Results(protocol, _versions(several), results)


def _span(protocol: Mapping[str, Any], source: str) -> tuple[int, int]:
    """The numbers of the first picture and of the one after the last."""
    if protocol.get("benchmark") != "SynthOcc" or _name(protocol) not in EXTENTS:
        raise BadInput(f"{source}: expected results on a part of SynthOcc, found those of another set.")
    first, pictures = protocol.get("first", 0), protocol.get("pictures")
    if not (isinstance(first, int) and isinstance(pictures, int) and pictures > 0):
        raise BadInput(f"{source}: expected a protocol that counts its pictures, found {pictures!r} from {first!r} on.")
    return first, first + pictures


def _name(protocol: Mapping[str, Any]) -> str:
    """Of the set that this is a part of."""
    return str(protocol.get("set", "")).partition(",")[0]


def _protocol(one: Mapping[str, Any], first: int, last: int) -> dict[str, Any]:
    extent = EXTENTS[_name(one)].part(first, last)
    card = {key: value for key, value in one.items() if key not in _OF_PARTS}
    card |= {"set": extent.name, "pictures": extent.pictures} | ({"first": first} if first else {})
    return card | {"hash": hashed(card)}


def _check(mine: Results, theirs: Results, whose: str, source: str) -> None:
    """Refuses what was measured otherwise."""
    base = [
        {key: value for key, value in each.protocol.items() if key not in _OF_PARTS} | {"set": _name(each.protocol)}
        for each in (mine, theirs)
    ]
    if base[0] != base[1]:
        name = next(key for key in {**base[0], **base[1]} if base[0].get(key) != base[1].get(key))
        raise BadInput(f"{source}: expected the {name} {base[0].get(name)!r} of {whose}, found {base[1].get(name)!r}.")
    had, found = ({(one.method, one.condition) for one in each.results} for each in (mine, theirs))
    if had != found:
        method, condition = sorted(had ^ found)[0]
        raise BadInput(f"{source}: expected the rows of {whose}, found {method}, {condition} in one of both alone.")
    for one in mine.results:
        if (other := theirs.find(one.method, one.condition)) is not None and other.card != one.card:
            raise BadInput(
                f"{source}: expected {one.method}, {one.condition} as in {whose}, found other settings of it."
            )


def _result(parts: Sequence[Result]) -> Result:
    counts = torch.tensor([len(each.numbers) for each in parts], dtype=torch.float64)
    shares = (counts / counts.sum()).tolist()
    names = dict.fromkeys(name for each in parts for name in each.means)
    return replace(
        parts[0],
        numbers=tuple(number for each in parts for number in each.numbers),
        witness=tuple(value for each in parts for value in each.witness),
        means={name: _mean(name, parts) for name in names},
        joints=tuple(
            math.fsum(map(math.prod, zip(shares, errors, strict=True)))
            for errors in zip(*(e.joints for e in parts), strict=True)
        ),
        seconds=math.fsum(share * each.seconds for share, each in zip(shares, parts, strict=True)),
    )


def _mean(name: str, parts: Sequence[Result]) -> Mean:
    """Over the pictures of all; those of a part that says nothing of it do not count."""
    known = next(each.means[name] for each in parts if name in each.means)
    sums, counts = [], []
    for each in parts:
        nothing = known.sums.new_zeros(len(each.numbers), known.sums.shape[1])
        own = each.means.get(name, Mean(nothing, nothing, known.how))
        sums.append(own.sums)
        counts.append(own.counts)
    return Mean(torch.cat(sums), torch.cat(counts), known.how)


def _versions(parts: Sequence[Results]) -> dict[str, str]:
    """What parts differ in is told of each."""
    names = dict.fromkeys(name for each in parts for name in each.versions)
    return {name: ", ".join(dict.fromkeys(each.versions.get(name, "?") for each in parts)) for name in names}
