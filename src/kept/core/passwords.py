"""Which passwords are taken: long ones that are not among the first an attacker tries.

Length is what counts; there are no rules of composition and no expiry (NIST SP 800-63B, 3.1.1;
OWASP ASVS 2.1).
"""

import re
import unicodedata
from itertools import pairwise
from typing import Final

from kept.errors import InputError

LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 256
"""Far beyond what anybody types; a hash need not read a book."""

_LETTERS: Final = re.compile(r"[^a-z]+")
_WORDS: Final = """
aaaaaa abc abcabc abcd abcdef abcdefgh abcdefghijkl abcdefghijklm access account adgjmptw admin
administrator alexander andrea angel angela anthony arsenal asdf asdfgh asdfghjkl
asdfghjklzxcvbnm azerty azertyuiop babygirl baseball basketball batman beautiful benfica blink
buster butterfly changeit changeme charlie cheese chelsea chocolate computer cookie corporate
correcthorsebatterystaple daniel default dragon family flower football forever freedom friends
gabriel google guest hallo hannah hello helloworld hunter iloveyou internet jennifer
jessica jordan joshua juventus kept killer letmein linkedin liverpool login lovely loveme
manager manchester martin master matrix michael michelle monkey mustang mypassword nicole ninja
nothing opensesame pass passw passwd password passwort pepper pokemon princess qazwsx qazwsxedc
qwer qwert qwerty qwertyui qwertyuiop qwertyuiopasdfghjkl qwertyuiopasdfghjklzxcvbnm qwertz
qwertzuiop realmadrid root sample samsung secret senha service shadow snoopy soccer spiderman
starwars summer sunshine superman support system teamo temp tequiero test testing
thisismypassword thomas tigger trustno unknown user vanessa victoria welcome whatever william
winter yellow zaqwsx zxcvbn zxcvbnm
"""
_COMMON: Final = frozenset(_WORDS.split())
"""The words under the passwords that are tried first, whatever digits and signs stand around them."""


def normalise_password(text: str) -> str:
    """Return a password as it is hashed: however a keyboard composes its letters, it is the same."""
    return unicodedata.normalize("NFC", text)


def check_password(text: str, *, name: str, brand: str = "") -> None:
    """Raise `InputError` with all that is wrong with a new password.

    Args:
        text: the password as it is hashed.
        name: what its owner signs in with, which it may not be.
        brand: the name of the brand, the same.
    """
    problems = [
        f"it has fewer than {LENGTH_MIN} characters; a few words in a row are easy to remember"
        if len(text) < LENGTH_MIN
        else "",
        f"it has more than {LENGTH_MAX} characters" if len(text) > LENGTH_MAX else "",
        "it is among the first that are tried" if _is_common(text, name=name, brand=brand) else "",
    ]
    if any(problems):
        raise InputError(f"the password is not taken: {'; '.join(filter(None, problems))}")


def _is_common(text: str, *, name: str, brand: str) -> bool:
    """Return whether little is left of a password without what everybody knows."""
    folded = text.casefold()
    if len(set(folded)) < 5 or _is_run(folded):
        return True
    word = _LETTERS.sub("", folded)
    own = {_LETTERS.sub("", each.casefold()) for each in (name, name.partition("@")[0], brand)}
    known = _COMMON | {each for each in own if len(each) >= 3}
    # What is left without letters counts only if it is long itself: `password` and a year is one.
    signs = len(folded) - len(word)
    return (not word or _is_made_of(word, known)) and (signs < LENGTH_MIN or _is_run(folded))


def _is_run(text: str) -> bool:
    """Return whether each character follows from the one before: 123456789012, or cba."""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps <= {0, 1, -9} or steps <= {0, -1, 9}


def _is_made_of(word: str, known: frozenset[str]) -> bool:
    """Return whether a word is one of these, or one of them several times."""
    return any(
        word == each * (len(word) // len(each))
        for each in known
        if each and len(word) % len(each) == 0
    )
