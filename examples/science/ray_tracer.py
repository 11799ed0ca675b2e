"""An image of spheres under one lamp, with their shadows, and how it differs from a given image."""

import numpy as np


def norm(v):
    return np.sqrt(np.sum(v**2, axis=-1, keepdims=True))


def hit(origin, direction, centre, radius):
    """Distance along each ray to a sphere, infinite where it is missed."""
    to = origin - centre
    b = np.sum(to * direction, axis=-1)
    c = np.sum(to**2, axis=-1) - radius**2
    inside = b**2 - c
    near = -b - np.sqrt(np.where(inside > 0, inside, 1.0))
    return np.where((inside > 0) & (near > 1e-3), near, np.inf)


def render(scene, size):
    rows, columns = np.meshgrid(np.linspace(1, -1, size), np.linspace(-1, 1, size), indexing="ij")
    direction = np.stack([columns, rows, np.full_like(rows, 1.5)], axis=-1)
    direction = direction / norm(direction)
    origin = np.zeros(3)
    image = np.zeros((size, size, 3))
    distances = np.array(
        [hit(origin, direction, c, r) for c, r in zip(scene["centres"], scene["radii"])]
    )
    nearest = np.min(distances, axis=0)
    seen = np.isfinite(nearest)
    for i in range(len(scene["radii"])):
        mine = seen & (distances[i] == nearest)
        point = direction * np.where(mine, nearest, 1.0)[..., None]
        normal = point - scene["centres"][i]
        normal /= norm(normal)
        to_lamp = scene["lamp"] - point
        to_lamp = to_lamp / norm(to_lamp)
        light = np.maximum(np.sum(normal * to_lamp, axis=-1), 0.0)
        for j in range(len(scene["radii"])):
            if j != i:
                light = np.where(
                    np.isfinite(hit(point, to_lamp, scene["centres"][j], scene["radii"][j])),
                    0.0,
                    light,
                )
        colour = (0.1 + 0.9 * light)[..., None] * scene["colours"][i]
        image = np.where(mine[..., None], colour, image)
    return image


def loss(scene, goal):
    """Mean squared difference from an image."""
    return np.mean((render(scene, len(goal)) - goal) ** 2)


def arguments():
    scene = {
        "centres": np.array([[-0.4, 0.1, 3.0], [0.5, -0.2, 2.6], [0.1, 0.6, 3.4]]),
        "radii": np.array([0.5, 0.35, 0.4]),
        "colours": np.array([[0.9, 0.2, 0.2], [0.2, 0.8, 0.3], [0.2, 0.3, 0.9]]),
        "lamp": np.array([2.0, 2.5, 0.5]),
    }
    moved = {**scene, "centres": scene["centres"] + 0.03, "lamp": scene["lamp"] - 0.2}
    return scene, render(moved, 32)
