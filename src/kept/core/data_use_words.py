"""The words of the page that shows how data is used, by language."""

from typing import Final

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "language": "en",
        "title": "How is my data used?",
        "intro": (
            "Everything that we hold of you, where it comes from, what it is used for, who is"
            " given it and until when we keep it. It is worked out from what our systems do, "
            "not from what we say about them."
        ),
        "as_of": "As of",
        "value": "What we hold",
        "told": "From",
        "for_what": "Used for",
        "nothing": "Nothing. We hold it and do not use it.",
        "shared": "Given to",
        "nobody": "Nobody outside of our companies.",
        "last": "last on",
        "until": "Kept until",
        "unread": (
            "This is especially protected. You have not expressly agreed to its use, so "
            "nothing reads it."
        ),
        "sensitive": "especially protected",
        "holds": "in force",
        "lapsed": "not in force: not used for this",
        "more": "more",
        "yes": "yes",
        "no": "no",
        "consent": "your consent",
        "contract": "our contract with you",
        "legal_obligation": "a law that obliges us",
        "vital_interest": "a vital interest",
        "legitimate_interest": "a legitimate interest",
        "proof": "Proving what you allowed",
        "processor": "acts on our instructions",
        "controller": "decides for itself",
        "trait": "What you or others told us",
        "object": "What you have with us",
        "feature": "What we work out from it",
        "identifier": "How we know that it is you",
        "consents": "What you allowed and refused",
        "contacts": "What we said to you",
        "event": "What happened, as we recorded it",
        "ask": "To have something changed, handed over or erased, write to the company concerned.",
    },
    "de": {
        "language": "de",
        "title": "Wie werden meine Daten genutzt?",
        "intro": (
            "Alles, was wir über Sie gespeichert haben, woher es stammt, wofür es genutzt "
            "wird, wer es bekommt und bis wann wir es behalten. Es ergibt sich aus dem, was "
            "unsere Systeme tun, nicht aus dem, was wir darüber sagen."
        ),
        "as_of": "Stand",
        "value": "Was wir haben",
        "told": "Von",
        "for_what": "Genutzt für",
        "nothing": "Nichts. Wir haben es und nutzen es nicht.",
        "shared": "Weitergegeben an",
        "nobody": "Niemanden außerhalb unserer Firmen.",
        "last": "zuletzt am",
        "until": "Aufbewahrt bis",
        "unread": (
            "Das ist besonders geschützt. Sie haben der Nutzung nicht ausdrücklich "
            "zugestimmt, darum liest es niemand."
        ),
        "sensitive": "besonders geschützt",
        "holds": "in Kraft",
        "lapsed": "nicht in Kraft: dafür nicht genutzt",
        "more": "weitere",
        "yes": "ja",
        "no": "nein",
        "consent": "Ihre Einwilligung",
        "contract": "unser Vertrag mit Ihnen",
        "legal_obligation": "ein Gesetz, das uns verpflichtet",
        "vital_interest": "ein lebenswichtiges Interesse",
        "legitimate_interest": "ein berechtigtes Interesse",
        "proof": "Nachweisen, was Sie erlaubt haben",
        "processor": "handelt nach unserer Weisung",
        "controller": "entscheidet selbst",
        "trait": "Was Sie oder andere uns gesagt haben",
        "object": "Was Sie bei uns haben",
        "feature": "Was wir daraus ableiten",
        "identifier": "Woran wir Sie erkennen",
        "consents": "Was Sie erlaubt und abgelehnt haben",
        "contacts": "Was wir Ihnen gesagt haben",
        "event": "Was geschah, wie wir es festgehalten haben",
        "ask": (
            "Um etwas ändern, herausgeben oder löschen zu lassen, schreiben Sie der "
            "jeweiligen Firma."
        ),
    },
    "pt": {
        "language": "pt",
        "title": "Como são usados os meus dados?",
        "intro": (
            "Tudo o que guardamos sobre si, de onde vem, para que serve, quem o recebe e até "
            "quando o guardamos. Resulta do que os nossos sistemas fazem, e não do que "
            "dizemos sobre eles."
        ),
        "as_of": "Em",
        "value": "O que guardamos",
        "told": "De",
        "for_what": "Usado para",
        "nothing": "Nada. Guardamos e não usamos.",
        "shared": "Entregue a",
        "nobody": "Ninguém fora das nossas empresas.",
        "last": "última vez em",
        "until": "Guardado até",
        "unread": (
            "Isto é especialmente protegido. Não autorizou expressamente o seu uso, e por "
            "isso ninguém o lê."
        ),
        "sensitive": "especialmente protegido",
        "holds": "em vigor",
        "lapsed": "não em vigor: não é usado para isto",
        "more": "mais",
        "yes": "sim",
        "no": "não",
        "consent": "o seu consentimento",
        "contract": "o nosso contrato consigo",
        "legal_obligation": "uma lei que nos obriga",
        "vital_interest": "um interesse vital",
        "legitimate_interest": "um interesse legítimo",
        "proof": "Provar o que autorizou",
        "processor": "age por nossa instrução",
        "controller": "decide por si",
        "trait": "O que nos disse, ou outros nos disseram",
        "object": "O que tem connosco",
        "feature": "O que daí concluímos",
        "identifier": "Como sabemos que é quem é",
        "consents": "O que autorizou e recusou",
        "contacts": "O que lhe dissemos",
        "event": "O que aconteceu, como o registámos",
        "ask": "Para mudar, receber ou apagar alguma coisa, escreva à empresa em causa.",
    },
}
"""Language -> what the page says; `basis` and kinds of fields stand under their own names."""
