"""A pickle's program, walked over without being run: whether reading it can cost more than what it holds."""

import pickletools
from typing import Any

from .notes import Refused

_MARK = object()
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_GETS = ("GET", "BINGET", "LONG_BINGET")
_NESTED = ("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET")


def check_program(content: bytes) -> None:
    """Refuses a pickle that asks for more room than it has itself, or files things under tuples.

    To hash a tuple Python goes through all that it holds, one level in another, however often the same part is in it: a few
    bytes can keep it busy for ever, or overflow its stack. Data have text and numbers for keys. Raises whatever comes of a
    program that is cut off.
    """
    stack: list[Any] = []  # for each thing whether it is a tuple or frozen set
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(content):
        popped, place = _popped(stack, opcode), argument if isinstance(argument, int) else -1
        if any(key is True for key in _keys(opcode.name, popped)):
            raise Refused("expected text or numbers for keys, found a tuple or a set")
        if opcode.name in _PUTS:
            if place > len(content):
                raise Refused("expected data alone, but it asks for more memory than it can fill")
            memo[place] = stack[-1]
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = popped[0]
            stack += popped
        elif opcode.name in _GETS:
            stack.append(memo[place])
        elif opcode.name == "DUP":
            stack += popped * 2
        elif opcode.name == "MARK":
            stack.append(_MARK)
        else:
            stack += [opcode.name in _NESTED] * len(opcode.stack_after)


def _popped(stack: list[Any], opcode: pickletools.OpcodeInfo) -> list[Any]:
    """What an opcode takes from the stack: what lies above a mark, if it takes one, and the mark is left out."""
    taken = opcode.stack_before
    if pickletools.markobject in taken or (opcode.name == "POP" and stack[-1] is _MARK):
        above = []
        while (thing := stack.pop()) is not _MARK:
            above.append(thing)
        under = taken.index(pickletools.markobject) if pickletools.markobject in taken else 0
        return [stack.pop() for _ in range(under)][::-1] + above[::-1]
    return [stack.pop() for _ in taken][::-1]


def _keys(name: str, popped: list[Any]) -> list[Any]:
    """What is hashed of what an opcode takes; the first is what it is put into, but where that is made anew."""
    if name == "SETITEM":
        return popped[1:2]
    if name in ("SETITEMS", "DICT"):
        return popped[name == "SETITEMS" :: 2]
    if name == "ADDITEMS":
        return popped[1:]
    return popped if name == "FROZENSET" else []
