"""Words that promote, by language: a service message is free of them.

The list is short and plain on purpose. It catches the usual slip, a pitch at the foot of a bill;
who means to deceive will find other words, and answers to the person who approves the change.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

PITCH_LENGTH_MIN: Final = 15
"""Shorter pieces of a headline are words that anybody may say."""
PROMOTION: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "buy now", "bargain", "best deal", "coupon", "discount", "discounts", "exclusive offer",
        "free gift", "great deal", "order now", "promo code", "promotion", "promotions",
        "save up to", "shop now", "special offer", "special offers", "upgrade now", "voucher",
        "you may also like", "you might also like",
    ),
    "de": (
        "aktionspreis", "angebot des", "gutschein", "gutscheincode", "jetzt bestellen",
        "jetzt kaufen", "jetzt sichern", "jetzt zuschlagen", "nachlass", "rabatt", "rabatte",
        "schnäppchen", "sonderangebot", "sonderangebote", "sonderpreis", "sparen sie",
        "das könnte ihnen auch gefallen",
    ),
    "pt": (
        "aproveite já", "código promocional", "compre agora", "compre já", "cupão", "cupom",
        "desconto", "descontos", "oferta especial", "ofertas especiais", "poupe até", "promoção",
        "promoções", "também poderá gostar",
    ),
    "es": (
        "código promocional", "compre ahora", "cupón", "descuento", "descuentos", "oferta especial",
        "ofertas especiales", "promoción", "promociones",
    ),
    "fr": (
        "achetez maintenant", "bon de réduction", "code promo", "offre spéciale",
        "offres spéciales", "profitez-en", "promotion", "promotions", "remise",
    ),
    "it": (
        "acquista ora", "buono sconto", "codice promozionale", "offerta speciale", "promozione",
        "promozioni", "sconto", "sconti",
    ),
}  # fmt: skip
"""Language -> words and phrases."""


def find_promotion(text: str, language: str) -> Iterator[tuple[int, str]]:
    """Yield (offset, words) of what promotes, in the text's own language and in English."""
    for phrase in dict.fromkeys((*PROMOTION.get(language, ()), *PROMOTION["en"])):
        pattern = r"\b" + r"\s+".join(map(re.escape, phrase.split())) + r"\b"
        for match in re.finditer(pattern, text, re.IGNORECASE):
            yield match.start(), " ".join(match[0].split())


def pitches_of(headline: str) -> list[str]:
    """Return the longer pieces of an offer's headline, in its own words, without what is Liquid."""
    pieces = re.split(r"\{\{.*?\}\}|\{%.*?%\}", headline)
    said = [" ".join(piece.split()).strip(" ,;:.!") for piece in pieces]
    return [piece for piece in said if len(piece) >= PITCH_LENGTH_MIN and piece.count(" ") >= 2]


def find_pitch(text: str, pitch: str) -> int:
    """Return where a text says a piece of a headline, -1 if it does not."""
    pattern = r"\s+".join(map(re.escape, pitch.split()))
    found = re.search(pattern, text, re.IGNORECASE)
    return found.start() if found else -1
