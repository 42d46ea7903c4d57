"""What a customer may read of a decision, by language: one sentence for each reason that is told."""

from collections.abc import Mapping
from typing import Final

_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "declined": "You told us that you do not want it.",
        "already_contacted": "We have told you about it already.",
        "opted_out": "You asked us not to.",
        "restricted": "Your data is restricted: we keep it and do not use it.",
        "no_basis": "You have not asked us for it.",
        "global_privacy_control": "Your browser asks us not to share your data, and we do not.",
        "cap_reached": "You have heard from us often enough lately.",
        "contacts_unknown": "You have heard from us often enough lately.",
        "resting": "You have heard from us lately, and we leave you in peace.",
        "quiet_now": "It is your quiet time.",
        "zone_unknown": "We do not know what time it is where you are.",
        "negative_benefit": "It would not be to your benefit.",
        "needs_approval": "A person decides this, not a machine.",
        "approval_refused": "A person decided against it.",
        "contested": "You contested it, and a person looks at it again.",
        "breach_notice_due": "There is something about your data that we tell you first.",
        "held_out": "We are finding out whether this helps our customers, and compare.",
        "braked": "We have paused it for the moment.",
        "chosen": "We had something for you.",
        "nothing": "There was nothing worth your attention.",
        "otherwise": "This is not the right moment for it.",
    },
    "de": {
        "declined": "Sie haben uns gesagt, dass Sie es nicht möchten.",
        "already_contacted": "Wir haben Ihnen schon davon erzählt.",
        "opted_out": "Sie haben uns gebeten, es nicht zu tun.",
        "restricted": "Ihre Daten sind eingeschränkt: Wir bewahren sie auf und nutzen sie nicht.",
        "no_basis": "Sie haben uns nicht darum gebeten.",
        "global_privacy_control": (
            "Ihr Browser bittet uns, Ihre Daten nicht weiterzugeben, und wir tun es nicht."
        ),
        "cap_reached": "Sie haben in letzter Zeit oft genug von uns gehört.",
        "contacts_unknown": "Sie haben in letzter Zeit oft genug von uns gehört.",
        "resting": "Sie haben neulich von uns gehört, und wir lassen Sie in Ruhe.",
        "quiet_now": "Es ist Ihre Ruhezeit.",
        "zone_unknown": "Wir wissen nicht, wie spät es bei Ihnen ist.",
        "negative_benefit": "Es wäre nicht zu Ihrem Vorteil.",
        "needs_approval": "Das entscheidet ein Mensch, keine Maschine.",
        "approval_refused": "Ein Mensch hat sich dagegen entschieden.",
        "contested": "Sie haben widersprochen, und ein Mensch sieht es sich noch einmal an.",
        "breach_notice_due": "Es gibt etwas über Ihre Daten, das wir Ihnen zuerst sagen.",
        "held_out": "Wir finden heraus, ob das unseren Kunden hilft, und vergleichen.",
        "braked": "Wir haben es für den Augenblick angehalten.",
        "chosen": "Wir hatten etwas für Sie.",
        "nothing": "Es gab nichts, was Ihre Aufmerksamkeit wert gewesen wäre.",
        "otherwise": "Es ist nicht der richtige Augenblick dafür.",
    },
    "pt": {
        "declined": "Disse-nos que não o quer.",
        "already_contacted": "Já lhe falámos disso.",
        "opted_out": "Pediu-nos que não o fizéssemos.",
        "restricted": "Os seus dados estão limitados: guardamo-los e não os usamos.",
        "no_basis": "Não nos pediu isso.",
        "global_privacy_control": (
            "O seu navegador pede-nos que não partilhemos os seus dados, e não o fazemos."
        ),
        "cap_reached": "Já teve notícias nossas que cheguem nos últimos tempos.",
        "contacts_unknown": "Já teve notícias nossas que cheguem nos últimos tempos.",
        "resting": "Teve notícias nossas há pouco, e deixamo-lo em paz.",
        "quiet_now": "É a sua hora de descanso.",
        "zone_unknown": "Não sabemos que horas são onde está.",
        "negative_benefit": "Não seria em seu benefício.",
        "needs_approval": "É uma pessoa que decide isto, não uma máquina.",
        "approval_refused": "Uma pessoa decidiu que não.",
        "contested": "Contestou-o, e uma pessoa volta a analisá-lo.",
        "breach_notice_due": "Há algo sobre os seus dados que lhe dizemos primeiro.",
        "held_out": "Estamos a ver se isto ajuda os nossos clientes, e comparamos.",
        "braked": "Suspendemo-lo por agora.",
        "chosen": "Tínhamos algo para si.",
        "nothing": "Não havia nada que merecesse a sua atenção.",
        "otherwise": "Este não é o momento certo para isso.",
    },
}


def customer_words(locale: str) -> Mapping[str, str]:
    """Return the sentences in a language, in English where there are none."""
    return _WORDS.get(locale.partition("-")[0].lower(), _WORDS["en"])
