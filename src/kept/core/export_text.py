"""The part of an export that a person reads: what is held of them, in plain words and their language."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kept.core.customer_export import (
    ExportedConsent,
    ExportedDecision,
    ExportedRecipient,
    ExportedUse,
    ExportedValue,
    ExportHead,
)
from kept.core.data_use_words import WORDS

_MORE: Final[dict[str, dict[str, str]]] = {
    "en": {
        "head": "Your data at {brand}",
        "made": "Written on {at}. We made sure that it is you by: {by}.",
        "about": (
            "This is everything that we hold of you. The tables beside this text hold the same, "
            "line by line: events.csv is what happened, decisions.csv what we decided and why. "
            "customer.json holds all of it for machines, to take with you."
        ),
        "restricted": "Since {at} your data is restricted: we keep it and do not use it.",
        "claimed": "What others claimed to be yours, and nobody proved",
        "said_yes": "yes, since",
        "said_no": "no, since",
        "messages": "Messages to you",
        "decisions": "What we decided lately, and why",
        "silence": "We said nothing",
        "law": "Kept because a law obliges us",
        "counts": "Events: {events}. Decisions: {decisions}.",
        "none": "Nothing.",
        "not_sent": "not sent",
    },
    "de": {
        "head": "Ihre Daten bei {brand}",
        "made": "Geschrieben am {at}. Dass Sie es sind, haben wir so geprüft: {by}.",
        "about": (
            "Das ist alles, was wir über Sie gespeichert haben. Die Tabellen neben diesem Text "
            "enthalten dasselbe, Zeile für Zeile: events.csv ist, was geschah, decisions.csv, was "
            "wir entschieden haben und warum. customer.json enthält alles für Maschinen, zum "
            "Mitnehmen."
        ),
        "restricted": (
            "Seit {at} sind Ihre Daten eingeschränkt: Wir bewahren sie auf und nutzen sie nicht."
        ),
        "claimed": "Was andere als Ihres angegeben haben, und was niemand bewiesen hat",
        "said_yes": "ja, seit",
        "said_no": "nein, seit",
        "messages": "Nachrichten an Sie",
        "decisions": "Was wir zuletzt entschieden haben, und warum",
        "silence": "Wir haben nichts gesagt",
        "law": "Aufbewahrt, weil ein Gesetz uns verpflichtet",
        "counts": "Ereignisse: {events}. Entscheidungen: {decisions}.",
        "none": "Nichts.",
        "not_sent": "nicht gesendet",
    },
    "pt": {
        "head": "Os seus dados em {brand}",
        "made": "Escrito em {at}. Confirmámos que é o próprio assim: {by}.",
        "about": (
            "Isto é tudo o que guardamos sobre si. As tabelas ao lado deste texto dizem o mesmo, "
            "linha a linha: events.csv é o que aconteceu, decisions.csv o que decidimos e porquê. "
            "customer.json tem tudo para máquinas, para levar consigo."
        ),
        "restricted": "Desde {at} os seus dados estão limitados: guardamo-los e não os usamos.",
        "claimed": "O que outros disseram ser seu, e ninguém provou",
        "said_yes": "sim, desde",
        "said_no": "não, desde",
        "messages": "Mensagens para si",
        "decisions": "O que decidimos ultimamente, e porquê",
        "silence": "Não dissemos nada",
        "law": "Guardado porque uma lei nos obriga",
        "counts": "Acontecimentos: {events}. Decisões: {decisions}.",
        "none": "Nada.",
        "not_sent": "não enviada",
    },
}
_WIDTH: Final = 72


def write_text(
    head: ExportHead,
    *,
    event_count: int,
    decision_count: int,
    decisions: Iterable[ExportedDecision] = (),
) -> str:
    """Return the text, in the language of the head or in English; `decisions` are the newest."""
    language = head.locale.partition("-")[0].lower()
    language = language if language in _MORE else "en"
    words: Mapping[str, str] = WORDS[language] | _MORE[language]
    title = words["head"].format(brand=head.brand)
    lines = [title, "=" * len(title), ""]
    lines += [words["made"].format(at=head.made_at, by=head.confirmed_by), "", words["about"]]
    if head.restricted_since:
        lines += ["", words["restricted"].format(at=head.restricted_since)]
    uses = _by_field(head.uses)
    recipients = _by_field(head.recipients)
    for kind, values in (
        ("identifier", head.identifiers),
        ("trait", head.traits),
        ("object", head.objects),
        ("feature", head.derived),
        ("contacts", head.contacts),
    ):
        lines += _section(words[kind], _fields(values, uses, recipients, words), words)
    lines += _section(words["consents"], _consents(head.consents, words), words)
    lines += _section(words["messages"], _messages(head, words), words)
    lines += _section(words["decisions"], _decisions(decisions, words), words)
    if head.claimed:
        lines += _section(words["claimed"], _fields(head.claimed, {}, {}, words), words)
    if head.held_by_law:
        held = (
            f"* {one.hold}: {one.told or one.law} {words['until']}: {one.kept_until}"
            for one in head.held_by_law
        )
        lines += _section(words["law"], held, words)
    counts = words["counts"].format(events=event_count, decisions=decision_count)
    return "\n".join([*lines, "", counts, "", words["ask"], ""])


def _section(title: str, lines: Iterable[str], words: Mapping[str, str]) -> list[str]:
    return ["", title, "-" * min(len(title), _WIDTH), "", *(list(lines) or [words["none"]])]


def _by_field(rows: Iterable[ExportedUse | ExportedRecipient]) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for row in rows:
        found.setdefault(row.field, []).append(row)
    return found


def _fields(
    values: Iterable[ExportedValue],
    uses: Mapping[str, list[object]],
    recipients: Mapping[str, list[object]],
    words: Mapping[str, str],
) -> Iterator[str]:
    told: set[str] = set()
    for value in values:
        about = f" ({value.about})" if value.about else ""
        line = f"* {value.field}{about}: {value.value}"
        if value.source:
            line += f" - {words['told']} {value.source} {value.told_at}".rstrip()
        if value.kept_until:
            line += f" - {words['until']} {value.kept_until}"
        yield line
        if value.field in told:
            continue
        # For what and to whom is the same for all values of a field, and is said once.
        told.add(value.field)
        yield from _why(uses.get(value.field, []), recipients.get(value.field, []), words)


def _why(
    uses: Iterable[object], recipients: Iterable[object], words: Mapping[str, str]
) -> Iterator[str]:
    for use in uses:
        if isinstance(use, ExportedUse):
            what = use.description or words.get("proof", use.purpose)
            basis = words.get(use.basis, use.basis)
            state = words["holds"] if use.holds else words["lapsed"]
            who = f"{use.entity}: " if use.entity else ""
            yield f"    {words['for_what']} {who}{what} ({basis}, {state})"
    for share in recipients:
        if isinstance(share, ExportedRecipient):
            last = f", {words['last']} {share.last_at}" if share.last_at else ""
            role = words.get(share.role, share.role)
            yield f"    {words['shared']} {share.recipient}, {share.country} ({role}{last})"


def _consents(consents: Iterable[ExportedConsent], words: Mapping[str, str]) -> Iterator[str]:
    for one in consents:
        names = "/".join(each for each in (one.entity, one.purpose, one.channel, one.topic) if each)
        said = one.value
        if isinstance(said, bool):
            said = words["said_yes"] if said else words["said_no"]
        text = f' "{one.text}"' if one.text else ""
        yield f"* {names or one.scope}: {said} {one.said_at} ({one.source}){text}"


def _decisions(decisions: Iterable[ExportedDecision], words: Mapping[str, str]) -> Iterator[str]:
    for one in decisions:
        what = ", ".join(one.chosen) or words["silence"]
        yield f"* {one.decided_at} {one.placement}: {what}. {' '.join(one.reasons)}"


def _messages(head: ExportHead, words: Mapping[str, str]) -> Iterator[str]:
    for one in head.messages:
        at = one.attempted_at or one.queued_at
        because = f" - {words['not_sent']}: {one.because}" if one.because else ""
        yield f"* {at} {one.channel}: {one.action} ({one.entity}/{one.purpose}){because}"
