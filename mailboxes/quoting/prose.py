"""A cheap question before the dear ones: most lines are sentences, and tell nothing of this kind."""

from functools import lru_cache

# The first letters of all that `originals` and `signatures` say in ASCII.
_TELLING = frozenset(
    {"beg", "deb", "anf", "ini", "rep", "res", "ple", "typ", "wri", "bit", "sen", "env", "inv", "ver"}
    | {"ges", "ski", "wys", "ode", "von", "vom", "die", "obt", "hol", "hen", "ott", "dow", "pob", "get"}
    | {
        "out",
        "iph",
        "ipa",
        "az ",
        "tri",
        "pos",
        "odo",
        "sca",
        "bai",
        "han",
        "elk",
        "el ",
        "thi",
        "l'a",
        "que",
        "dez",
    }
)


def begins_as_prose(line: str) -> bool:
    """Whether a line begins like a sentence: with a letter, and with no word that tells anything here.

    No mark and no rule of `lines` begins so, no separator of `originals`, nothing that `signatures` knows.
    """
    beginning = line[:3]
    return line[:1].isalpha() and beginning.isascii() and beginning.lower() not in _TELLING


is_known_as_prose = lru_cache(maxsize=4_096)(begins_as_prose)  # of the first three letters
