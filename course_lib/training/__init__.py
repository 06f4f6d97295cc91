"""Training, on whatever machine there is. Importing this is cheap; each name is loaded when it is used."""

from course_lib.lazy import lazy

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "pick_device": "device",
        "seed_everything": "device",
        "Trainer": "trainer",
        "model_loss": "pieces",
        "warmup_cosine": "schedule",
        "make_optimizers": "optimizers",
        "Band": "curves",
        "diagnose": "diagnosis",
        "DamagedCheckpoint": "checkpoint",
        "load_checkpoint": "checkpoint",
        "save_checkpoint": "checkpoint",
    },
)
