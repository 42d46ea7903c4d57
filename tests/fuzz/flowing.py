"""What becomes of a hostile event behind the parsers: it is folded, decided on, and breaks nothing.

An exception here would cost more than its request: the writer drops its memory and loads it again.
"""

from pathlib import Path
from typing import Final

from kept.core.compile import compile_brand
from kept.core.feedback import parse_callback
from kept.core.touchpoint_item import Rejected, parse_item
from kept.core.values import DAY
from kept.errors import InputError
from kept.flows.ask import ContactQuestion, Question
from kept.flows.learn import learn
from kept.flows.stage import Stage
from kept.runtime.folder import load_checked, read_folder
from kept.stores.memory import MemoryStore
from tests.fuzz.target import CANARY, fuzz
from tests.unit.core.touchpoint_sample import NOW

_BUNDLE: Final = compile_brand(
    load_checked(read_folder(Path(__file__).parents[1] / "e2e" / "brand"))
)
_SOURCES: Final = ("shop", "site", "counter")
_SHOP: Final = """\
{"type":"identify","userId":"u1","traits":{"first_name":"Ana","zone":"Europe/Lisbon","region":"north"}}
{"type":"identify","userId":"u1","traits":{"email":"a@mail.example","phone":"+351911000000"}}
{"type":"track","event":"Order Completed","userId":"u1","properties":{"total":"300.10"}}
{"type":"track","event":"Consent Given","userId":"u1","properties":{"purpose":"marketing","channel":"email"}}
{"type":"track","event":"Bill Issued","userId":"u1","properties":{"bill_id":"b1","amount":9}}
site {"type":"page","anonymousId":"x1","userId":"u1","name":"Home"}
{"type":"track","event":"Offer Declined","userId":"u1","properties":{"action":"gold"}}
{"type":"alias","userId":"u1","previousId":"u2"}"""


@fuzz(
    "ingest",
    "kept.flows.ingest",
    _SHOP,
    f'site {{"type":"identify","anonymousId":"{CANARY}","traits":{{"language":"xx","zone":"No/Where"}}}}',
    '{"type":"track","event":"Order Completed","userId":"u1","properties":{"total":1e300}}',
    'ask {"placement":"banner","identifiers":{"user_id":"u1"},"count":3}\n' + _SHOP,
    'learn {"type":"bounced","message_id":"m1","bounce":"hard"}\n' + _SHOP,
    seconds_max=5,
)
def run_ingest(data: bytes) -> None:
    """Lines of events of several sources, questions and callbacks, to one brand in memory."""
    stage = Stage(_BUNDLE, MemoryStore(), now=NOW, shadow=False)
    for line in data.split(b"\n")[:12]:
        word, _, rest = line.partition(b" ")
        named = ""
        try:
            if word == b"learn":
                for feedback in parse_callback(rest, now=stage.now).feedback:
                    with stage.store.transaction():
                        learn(stage.engine, feedback, channel="email", now=stage.now)
                continue
            source = word.decode("latin-1") if word.decode("latin-1") in _SOURCES else "shop"
            item = parse_item(rest if word in (b"site", b"counter", b"shop") else line)
            if not isinstance(item, Rejected):
                named = f"{item.type} {item.event}"
                stage.signal(item, source=source, body={})
        except InputError as error:
            # What the sender called its event is a word of its own and no value, and is repeated.
            assert CANARY not in str(error) or CANARY in named
    _ask(stage, data)
    stage.advance(NOW + 2 * DAY)


def _ask(stage: Stage, data: bytes) -> None:
    """Ask with words from the input."""
    words = data[:200].decode("utf-8", "replace").replace('"', " ").split()[:6] + ["u1"] * 6
    for placement in ("banner", "till"):
        try:
            question = Question(
                placement=placement, identifiers={"user_id": words[0], "email": words[1]}
            )
            stage.ask(question, source="shop")
        except InputError as error:
            assert CANARY not in str(error) or CANARY not in words
    try:
        stage.ask_contact(
            ContactQuestion(
                identifiers={"user_id": "u1"}, purpose=words[2], channel=words[3], entity=words[4]
            ),
            source="shop",
        )
    except InputError:
        return
