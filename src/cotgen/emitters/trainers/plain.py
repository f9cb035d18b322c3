"""JSON Lines for readers of one's own: TRL's columns, and no trainer's settings."""

from __future__ import annotations

from cotgen.emitters.trainers import trl
from cotgen.emitters.trainers.shape import Refused, Shape, Shapes

SHAPES: Shapes = {
    dataset: Shape(shape.columns, around=shape.around) for dataset, shape in trl.SHAPES.items()
}
REFUSED: Refused = {}
