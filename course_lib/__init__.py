"""The library behind the course *Transformer Variants*: one concept a file, in the order of the lecture.

Importing it is cheap: torch is loaded by the first room that needs it, not here.
"""

__version__ = "0.1.0"
