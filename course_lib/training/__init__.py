"""Training, on whatever machine there is."""

from course_lib.training.device import pick_device, seed_everything

__all__ = ["pick_device", "seed_everything"]
