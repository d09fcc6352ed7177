"""Of which kind each line is: the reply, a quotation, a signature."""

from mailboxes.quoting.attributions import (
    MAXIMUM_ATTRIBUTION,
    attribution_length,
    ends_of_attributions,
    is_attribution_inside,
)
from mailboxes.quoting.headers import has_colon
from mailboxes.quoting.lines import Kind, Lines, is_drawn, is_rule
from mailboxes.quoting.originals import begins_original, is_line_to_write_above, is_separator
from mailboxes.quoting.prose import is_known_as_prose
from mailboxes.quoting.signatures import begins_signature, may_divide


class Kinds:
    """Decides line by line. Most lines show no sign of anything; they are passed over."""

    def __init__(self, texts: list[str], *, is_answer: bool) -> None:
        self.lines = Lines(texts)
        self.may_quote = is_answer  # of other messages an introduction has to say so first
        self.kinds: list[Kind] = ["reply"] * len(texts)
        self.ends = ends_of_attributions(self.lines)
        self.signs = {
            index
            for index, line in enumerate(self.lines.texts)
            if (has_colon(line) or not is_known_as_prose(line[:3])) and self.lines.last[index]
        }
        self.position = 0

    def all(self) -> list[Kind]:
        """The kind of each line."""
        for index in self._telling():
            if index >= self.position:
                self.position = index
                self._step()
        self._mark_signatures()
        if self.kinds.count("reply") < len(self.kinds):
            self._join_drawn_lines()
            self._join_blank_lines()
        return self.kinds

    def _telling(self) -> list[int]:
        """The lines that show a sign, and those from which an attribution may go on to its end."""
        windows = (range(max(end - MAXIMUM_ATTRIBUTION + 1, 0), end + 1) for end in self.ends)
        return sorted(
            self.signs.union(index for window in windows for index in window if self.lines.last[index])
        )

    def _step(self) -> None:
        is_telling = self.position in self.signs
        if is_telling and self._is_quoted():
            self._mark(1)
        elif is_telling and self._begins_original():
            self._mark_rest()
        elif count := attribution_length(self.lines, self.ends, self.position):
            self._mark_attribution(count)
        else:
            self.position += 1

    def _is_quoted(self) -> bool:
        if is_line_to_write_above(self.lines, self.position):
            return not any(self.lines.last[: self.position])  # at the top, where nobody has written yet
        if not self.lines.is_quoted(self.position):
            return False
        self.may_quote = self.may_quote or is_attribution_inside(self.lines, self.ends, self.position)
        return self.may_quote

    def _begins_original(self) -> bool:
        begins = begins_original if self.may_quote else is_separator  # forms list "From" and "Sent", too
        return begins(self.lines, self.position)

    def _mark(self, count: int) -> None:
        for index in range(self.position, min(self.position + count, len(self.kinds))):
            self.kinds[index] = "quotation"
        self.position += count

    def _mark_rest(self) -> None:
        self._mark(len(self.kinds) - self.position)

    def _mark_attribution(self, count: int) -> None:
        following = self.lines.next_text(self.position + count)
        is_marked = following is not None and self.lines.is_quoted(following)
        if not (is_marked or self._introduces_unmarked(count)):
            self.position += count  # somebody tells what was said
            return
        self.may_quote = True
        if is_marked or following is None:
            self._mark(count)
        else:
            self._mark_rest()

    def _introduces_unmarked(self, count: int) -> bool:
        """Whether the attribution alone says that what follows is quoted: an address, or a line apart."""
        if not self.may_quote:
            return False
        start = self.position
        above = self.lines.texts[start - 1] if start else ""
        is_apart = not above.strip() or is_rule(above)
        return is_apart or any("@" in line for line in self.lines.texts[start : start + count])

    def _mark_signatures(self) -> None:
        dividers = [i for i in self.signs if self.kinds[i] == "reply" and may_divide(self.lines.texts[i])]
        self.signs.difference_update(dividers if len(dividers) > 1 else ())
        is_open = has_reply = False
        for index, last in enumerate(self.lines.last if self.signs else ()):
            if self.kinds[index] == "quotation":
                is_open = False
            elif last and not is_open:
                is_open = index in self.signs and begins_signature(
                    self.lines, self.kinds, index, has_reply=has_reply
                )
                has_reply = has_reply or not is_open
            if is_open:
                self.kinds[index] = "signature"

    def _join_drawn_lines(self) -> None:
        """A line drawn above a quotation or a signature parts them from the reply, and is none of it."""
        below: Kind = "reply"
        for index in reversed(range(len(self.kinds))):
            if not self.lines.last[index]:
                continue
            if below != "reply" and self.kinds[index] == "reply" and is_drawn(self.lines.texts[index]):
                self.kinds[index] = below
            below = self.kinds[index]

    def _join_blank_lines(self) -> None:
        """Blank lines are the reply's only next to it."""
        before: Kind = "reply"
        blank: list[int] = []
        for index, (last, kind) in enumerate(zip(self.lines.last, self.kinds, strict=True)):
            if not last:
                blank.append(index)
                continue
            if "reply" not in (before, kind) or before == kind:
                for number in blank:
                    self.kinds[number] = before
            before = kind
            blank.clear()
        for number in blank:
            self.kinds[number] = before
