"""What an action gives away is found when it is asked for, and is what the data map says of it."""

from kept.core.brand.load import load_brand
from kept.core.data_map.given import Given
from kept.core.data_map.readers import reading_of
from tests.scenario.larkmead import LARKMEAD

SEGMENTED = LARKMEAD | {
    "templates/lamp_offer.sms.en.liquid": "You {% if segment.browsing %}still {% endif %}look.\n"
}


def test_each_text_gives_away_what_the_data_map_says() -> None:
    """Segments are opened: who is told of one is told of what it is made of."""
    brand = load_brand(SEGMENTED)
    reading, given = reading_of(brand), Given(brand)
    opened = {
        (text.action, text.channel): {
            inner for name in text.names for inner in reading.derived.get(name, {name})
        }
        for text in reading.texts
    }
    assert {key: given.by(*key) for key in opened} == opened
    assert "views" in given.by("lamp_offer", "sms")
    assert "views" not in given.by("lamp_offer", "email")


def test_what_the_brand_does_not_have_gives_nothing_away() -> None:
    """An action of an older brand, and a channel that an action does not take."""
    given = Given(load_brand(LARKMEAD))
    assert given.by("gone", "email") == frozenset()
    assert given.by("lamp_offer", "pigeon") == frozenset()
    assert given.called == "first_name"
