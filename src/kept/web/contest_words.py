"""The words of the page on which a customer contests a decision, by language."""

from typing import Final


def words_for(accept_language: str) -> dict[str, str]:
    """Return the page's words in the first language asked for that it speaks."""
    for wanted in accept_language.split(",")[:20]:
        language = wanted.partition(";")[0].strip().partition("-")[0].lower()
        if language in _WORDS:
            return _WORDS[language]
    return _WORDS["en"]


_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "language": "en",
        "title": "Contest a decision",
        "question": "Do you disagree with this decision?",
        "about": "What it is about",
        "button": "Yes, look at it again",
        "note": "It stops at once, and another person than the one who made it looks at it.",
        "done_title": "It has stopped",
        "done": "Another person looks at it again and will get in touch with you.",
        "reach": "To say more, write to",
    },
    "de": {
        "language": "de",
        "title": "Einer Entscheidung widersprechen",
        "question": "Sind Sie mit dieser Entscheidung nicht einverstanden?",
        "about": "Worum es geht",
        "button": "Ja, bitte noch einmal ansehen",
        "note": "Sie wird sofort angehalten, und ein anderer Mensch sieht sie sich an.",
        "done_title": "Sie ist angehalten",
        "done": "Ein anderer Mensch sieht es sich noch einmal an und meldet sich bei Ihnen.",
        "reach": "Wenn Sie mehr dazu sagen möchten, schreiben Sie an",
    },
    "pt": {
        "language": "pt",
        "title": "Contestar uma decisão",
        "question": "Não concorda com esta decisão?",
        "about": "De que se trata",
        "button": "Sim, voltem a analisar",
        "note": "Fica suspensa de imediato, e outra pessoa analisa o assunto.",
        "done_title": "Está suspensa",
        "done": "Outra pessoa volta a analisar o assunto e entra em contacto consigo.",
        "reach": "Para dizer mais, escreva para",
    },
    "es": {
        "language": "es",
        "title": "Impugnar una decisión",
        "question": "¿No está de acuerdo con esta decisión?",
        "about": "De qué se trata",
        "button": "Sí, revísenla de nuevo",
        "note": "Se detiene de inmediato y la revisa otra persona.",
        "done_title": "Está detenida",
        "done": "Otra persona lo revisa de nuevo y se pondrá en contacto con usted.",
        "reach": "Para decir más, escriba a",
    },
    "fr": {
        "language": "fr",
        "title": "Contester une décision",
        "question": "Cette décision ne vous convient pas ?",
        "about": "De quoi il s'agit",
        "button": "Oui, examinez-la à nouveau",
        "note": "Elle est suspendue tout de suite, et une autre personne l'examine.",
        "done_title": "Elle est suspendue",
        "done": "Une autre personne l'examine à nouveau et prendra contact avec vous.",
        "reach": "Pour en dire plus, écrivez à",
    },
    "it": {
        "language": "it",
        "title": "Contestare una decisione",
        "question": "Non è d'accordo con questa decisione?",
        "about": "Di che cosa si tratta",
        "button": "Sì, riesaminatela",
        "note": "Si ferma subito, e la esamina un'altra persona.",
        "done_title": "È sospesa",
        "done": "Un'altra persona la riesamina e la contatterà.",
        "reach": "Per dire di più, scriva a",
    },
    "nl": {
        "language": "nl",
        "title": "Bezwaar maken tegen een beslissing",
        "question": "Bent u het niet eens met deze beslissing?",
        "about": "Waar het om gaat",
        "button": "Ja, kijk er opnieuw naar",
        "note": "Ze wordt meteen stopgezet, en iemand anders kijkt ernaar.",
        "done_title": "Ze is stopgezet",
        "done": "Iemand anders kijkt er opnieuw naar en neemt contact met u op.",
        "reach": "Wilt u er meer over zeggen, schrijf dan naar",
    },
}
