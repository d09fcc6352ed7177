"""What became of each of many, told with its row: one refusal stops no other."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What became of one row; ``error`` is the sentence of a refusal, empty where it worked."""

    name: str
    error: str = ""
