"""How bodies differ: a mean, and the directions along which most of the difference lies."""

import numpy as np
from jaxtyping import Float, Int


def principal(
    vertices: Float[np.ndarray, "N U 3"],
    joints: Float[np.ndarray, "N J 3"],
    area: Float[np.ndarray, " U"],
    number: int,
) -> dict[str, Float[np.ndarray, "..."]]:
    """The mean body and the directions in which bodies differ most (over the skin's area), one standard deviation each."""
    template, joint_template = vertices.mean(axis=0, dtype=np.float64), joints.mean(axis=0)
    apart = vertices - template
    flat = (apart * np.sqrt(area / area.sum())[:, None]).reshape(len(vertices), -1)
    values, codes = np.linalg.eigh(flat @ flat.T)
    values, codes = values[::-1].clip(0), codes[:, : -number - 1 : -1] * np.sqrt(len(vertices))
    directions = np.einsum("nuc,ns->ucs", apart, codes) / len(vertices)
    highest, lowest = template[:, 1].argmax(), template[:, 1].argmin()
    sign = np.where(directions[highest, 1] >= directions[lowest, 1], 1.0, -1.0)  # positive: taller
    return {
        "v_template": template,
        "shapedirs": directions * sign,
        "joint_template": joint_template,
        "joint_directions": np.einsum("njc,ns->jcs", joints - joint_template, codes * sign) / len(vertices),
        "explained_variance": np.cumsum(values / values.sum())[:number],
    }


def vertex_area(points: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]) -> Float[np.ndarray, " V"]:
    """A third of the faces around each vertex, in square metres."""
    a, b, c = points[faces].transpose(1, 0, 2)
    third = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.bincount(faces.ravel(), np.repeat(third, 3), len(points))


def quality(
    model: dict[str, Float[np.ndarray, "..."]],
    vertices: Float[np.ndarray, "N U 3"],
    joints: Float[np.ndarray, "N J 3"],
    area: Float[np.ndarray, " U"],
) -> dict[str, float]:
    """What the directions leave over on bodies that they were not made from, in millimetres; and how tall those are."""
    basis = (model["shapedirs"] * np.sqrt(area)[:, None, None]).reshape(vertices.shape[1] * 3, -1)
    apart = ((vertices - model["v_template"]) * np.sqrt(area)[:, None]).reshape(len(vertices), -1)
    codes = np.linalg.lstsq(basis, apart.T, rcond=None)[0].T
    left = vertices - model["v_template"] - np.einsum("vcs,ns->nvc", model["shapedirs"], codes)
    joints_left = joints - model["joint_template"] - np.einsum("jcs,ns->njc", model["joint_directions"], codes)
    error, joint_error = (1000 * np.linalg.norm(rest, axis=-1) for rest in (left, joints_left))
    tall = np.ptp(vertices[..., 1], axis=1)
    return {
        "held_out_vertex_error_mean_mm": float(error.mean()),
        "held_out_vertex_error_p99_mm": float(np.percentile(error, 99)),
        "held_out_vertex_error_max_mm": float(error.max()),
        "held_out_joint_error_mean_mm": float(joint_error.mean()),
        "held_out_joint_error_max_mm": float(joint_error.max()),
        "held_out_height_mean_m": float(tall.mean()),
        "held_out_height_sd_m": float(tall.std()),
        "held_out_code_sd": float(codes.std()),
    }
