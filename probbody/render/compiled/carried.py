"""What rays see of the kernels' attributes: ``Carried`` of the folder above, compiled. Four rows are added at a time."""

from .jit import IN_ANY_ORDER, compiled
from .pairs import Counts, Numbers, Places


@compiled(IN_ANY_ORDER)
def carry(
    queue: Places, start: Counts, lit: Counts, kernel: Places, part: Numbers, attributes: Numbers, found: Numbers
) -> None:
    """For each pixel the sum of parts times attributes into ``found``, (P, C), which is zero."""
    channels = attributes.shape[1]
    for place in range(len(lit)):
        number, end = start[place], start[place] + lit[place]
        while number + 4 <= end:
            one, two, three, four = queue[number], queue[number + 1], queue[number + 2], queue[number + 3]
            first, second, third, fourth = part[one], part[two], part[three], part[four]
            a, b, c, d = kernel[one], kernel[two], kernel[three], kernel[four]
            for i in range(channels):
                found[place, i] += (
                    first * attributes[a, i]
                    + second * attributes[b, i]
                    + third * attributes[c, i]
                    + fourth * attributes[d, i]
                )
            number += 4
        while number < end:
            one = queue[number]
            first, a = part[one], kernel[one]
            for i in range(channels):
                found[place, i] += first * attributes[a, i]
            number += 1


@compiled(IN_ANY_ORDER)
def gather(begins: Counts, pixel: Places, part: Numbers, grad: Numbers, found: Numbers) -> None:
    """The adjoint: for each kernel the sum of parts times the pixels' rows into ``found``, (K, C), which is zero."""
    channels = grad.shape[1]
    for kernel in range(len(found)):
        one, end = begins[kernel], begins[kernel + 1]
        while one + 4 <= end:
            first, second, third, fourth = part[one], part[one + 1], part[one + 2], part[one + 3]
            a, b, c, d = pixel[one], pixel[one + 1], pixel[one + 2], pixel[one + 3]
            for i in range(channels):
                found[kernel, i] += first * grad[a, i] + second * grad[b, i] + third * grad[c, i] + fourth * grad[d, i]
            one += 4
        while one < end:
            first, a = part[one], pixel[one]
            for i in range(channels):
                found[kernel, i] += first * grad[a, i]
            one += 1


@compiled(IN_ANY_ORDER)
def worth(
    queue: Places, start: Counts, lit: Counts, kernel: Places, attributes: Numbers, grad: Numbers, to_part: Numbers
) -> None:
    """The gradient of each part: its attributes along that of the pixel."""
    channels, zero = attributes.shape[1], attributes.dtype.type(0)
    for place in range(len(lit)):
        for number in range(start[place], start[place] + lit[place]):
            one = queue[number]
            a, total = kernel[one], zero
            for i in range(channels):
                total += attributes[a, i] * grad[place, i]
            to_part[one] = total
