"""A promotion says who sent it and how to leave, whatever its template forgets."""

from importlib import resources
from pathlib import Path

from kept.core.compile import compile_brand
from kept.core.message import Outgoing
from kept.flows.play import play
from kept.runtime.folder import load_checked, read_folder
from kept.runtime.stories import read_stories
from kept.stores.memory import MemoryStore

STARTER = Path(str(resources.files("kept.cli").joinpath("starter")))
OFFER = "templates/book_box.en.liquid"


def sent(story: str, texts: dict[str, str]) -> list[Outgoing]:
    """Return what a story of the starter sends with these texts."""
    bundle = compile_brand(load_checked(texts))
    told = read_stories(STARTER)[story]
    _, stage = play(told, bundle, MemoryStore())
    return [each.outgoing for each in stage.handed_over]


def test_an_offer_whose_template_forgets_it_says_how_to_leave() -> None:
    """The link stands in the text as it does in the headers, under the company's address."""
    texts = read_folder(STARTER)
    texts[OFFER] = texts[OFFER].partition("{{ entity.name }}")[0]
    (offer,) = sent("stories/a-regular-reader.yaml", texts)
    link = offer.headers["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://kept.example/u/")
    assert offer.text.endswith(
        f"-- \nLantern Books Lda., Rua das Flores 1, Lisbon\nUnsubscribe: {link}\n"
    )


def test_an_offer_that_says_it_itself_is_left_as_it_is() -> None:
    """One way to leave, in the brand's own words."""
    (offer,) = sent("stories/a-regular-reader.yaml", read_folder(STARTER))
    assert offer.text.count("https://kept.example/u/") == 1
    assert "Unsubscribe:" not in offer.text


def test_a_service_message_has_no_footer() -> None:
    """What a customer needs to know is not left by a link."""
    welcome = next(
        each
        for each in sent("stories/first-days.yaml", read_folder(STARTER))
        if each.action == "welcome"
    )
    assert welcome.headers == {}
    assert "/u/" not in welcome.text
