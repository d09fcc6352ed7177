"""How somebody works a page: with a mouse, or with the keyboard alone."""

from playwright.sync_api import Locator, Page, expect

PATIENCE = 60_000  # milliseconds, for a server that is asked over the network
MOST_STEPS = 400


class Mouse:
    """Somebody who points and clicks."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        """A link, a button, a box, or a choice among several."""
        target.click()

    def write(self, target: Locator, text: str) -> None:
        """Into a field, instead of what is there."""
        target.fill(text)

    def choose(self, target: Locator, text: str) -> None:
        """One of a list."""
        target.select_option(label=text)


class Keyboard(Mouse):
    """Somebody who has no mouse: every place is reached with Tab."""

    def press(self, target: Locator) -> None:
        if target.get_attribute("type") == "radio":
            self._walk_to_radio(target)
        elif target.get_attribute("type") == "checkbox":
            self._walk_to(target)
            self.page.keyboard.press("Space")
        else:
            self._walk_to(target)
            self.page.keyboard.press("Enter")

    def write(self, target: Locator, text: str) -> None:
        self._walk_to(target)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    def choose(self, target: Locator, text: str) -> None:
        self._walk_to(target)
        self.page.keyboard.type(text)

    def _walk_to(self, target: Locator) -> None:
        expect(target).to_be_visible()
        handle = target.element_handle()
        for _ in range(MOST_STEPS):
            if handle.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"nobody reaches {target} with the keyboard")

    def _walk_to_radio(self, target: Locator) -> None:
        """Tab leads to the chosen one of the group, the arrow keys to the others."""
        name = target.get_attribute("name")
        self._walk_to(self.page.locator(f"input[name={name}]:checked"))
        for _ in range(10):
            if target.is_checked():
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"the arrow keys do not reach {target}")
