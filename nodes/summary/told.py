"""A model's text on its way to a person: pieces as they come, fit to be shown, and what was told so far."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

_UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_BEGIN, _END = "<think>", "</think>"


@dataclass(slots=True)
class Told:
    """What a caller was told of a summary's text.

    Characters that a terminal would obey are left out; so are white space around the whole, and what a model thinks
    aloud before it answers.
    """

    on_text: Callable[[str], None]
    on_restart: Callable[[str], None] | None = None
    """Is told that the text begins anew, and why; `None` where the caller can't take back what it was told."""
    text: str = ""
    """All pieces so far, as they were told."""
    _held: str = field(default="", repr=False)

    def more(self, piece: str) -> None:
        """Tell the next piece; what may be the end of the text, or a thought, is held back."""
        held = self._held + _UNSHOWN.sub("", piece)
        if not self.text:
            held = held.lstrip()
            if held.startswith(_BEGIN):
                if (end := held.find(_END)) < 0:
                    self._held = held
                    return
                held = held[end + len(_END) :].lstrip()
            elif held and _BEGIN.startswith(held):
                self._held = held
                return
        ready = held.rstrip()
        self._held = held[len(ready) :]
        self._tell(ready)

    def end(self) -> None:
        """Tell what was held back, as far as it belongs to the text."""
        held, self._held = self._held.strip(), ""
        if not held.startswith(_BEGIN):
            self._tell(held)

    def append(self, block: str) -> None:
        """Tell a further block, an empty line below what is there."""
        if block:
            self._tell(f"\n\n{block}" if self.text else block)

    @property
    def may_begin_anew(self) -> bool:
        """Whether nothing was told yet, or it can be taken back."""
        return not self.text or self.on_restart is not None

    def restart(self, why: str) -> None:
        """Take back what was told, if anything was."""
        if self.text and self.on_restart is not None:
            self.on_restart(why)
        self.text = self._held = ""

    def instead(self, text: str, why: str) -> None:
        """Tell another text in place of what was told so far; nothing, where that can't be taken back."""
        if self.may_begin_anew:
            self.restart(why)
            self._tell(text)

    def _tell(self, piece: str) -> None:
        if piece:
            self.text += piece
            self.on_text(piece)
