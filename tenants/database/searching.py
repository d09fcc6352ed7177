"""What is typed into the search field of a list, as conditions."""

from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, or_

MOST_WORDS = 10  # each costs a condition: thousands in one address would keep a process busy for seconds


def search_words(text: str) -> list[str]:
    """The words of a search field, at most `MOST_WORDS`."""
    return text.replace("\x00", "").split()[:MOST_WORDS]


def has_words(text: str, *columns: SQLColumnExpression[Any]) -> list[ColumnElement[bool]]:
    """Whether a row has each of these words in one of the columns."""
    return [
        or_(*(column.icontains(word, autoescape=True) for column in columns)) for word in search_words(text)
    ]
