"""A folder is checked as a whole: all of it at once, and each thing only once."""

from kept.core.brand.load import load_brand
from kept.core.check import check_folder, errors_of
from kept.core.compile import compile_brand
from kept.errors import Problem
from tests.unit.core.brand.sample import SAMPLE, sample_with
from tests.unit.core.check.planted import at_place, errors_in, notes_in, with_text


def test_the_sample_passes() -> None:
    """Nothing is wrong with it, and nothing is worth a note."""
    assert check_folder(SAMPLE) == []


def test_what_passes_the_check_compiles() -> None:
    """The compiler's own refusal is never the first to be heard."""
    assert compile_brand(load_brand(SAMPLE)).policy.version == load_brand(SAMPLE).version


def test_problems_of_form_and_of_meaning_are_reported_together() -> None:
    """One run, four files, five mistakes, in order of place."""
    texts = sample_with("actions/late_fee.yaml", "purpose: service", "purpose: servis")
    texts["contact.yaml"] = texts["contact.yaml"].replace("count: 2", "count: 0")
    texts["brand.yaml"] = texts["brand.yaml"].replace("time_zone: Europe/", "time_zone: Europa/")
    texts["cohorts.yaml"] = texts["cohorts.yaml"].replace("views_7d", "views_7x")
    texts["cohorts.yaml"] = texts["cohorts.yaml"].replace("newcomer: {when:", "newcomer: {wen:")
    assert [(problem.file, at_place(texts, problem)[:8]) for problem in errors_in(texts)] == [
        ("actions/late_fee.yaml", "purpose:"),
        ("brand.yaml", "time_zon"),
        ("cohorts.yaml", "wen: day"),
        ("cohorts.yaml", "views_7x"),
        ("contact.yaml", "count: 0"),
    ]


def test_a_typo_is_not_reported_again_by_what_rests_on_it() -> None:
    """`promotional: yes` is one mistake, not one for each action of the purpose."""
    texts = with_text("consent.yaml", "promotional: true", "promotional: yes")
    assert [problem.message for problem in errors_in(texts)] == [
        "`yes` where true or false belongs"
    ]


def test_a_feature_that_is_broken_is_not_reported_by_every_condition() -> None:
    """The feature is mended once; who reads it is not to blame."""
    texts = with_text("facts.yaml", "{count: Product Viewed,", "{kount: Product Viewed,")
    problems = errors_in(texts)
    assert [problem.message for problem in problems] == ["unknown key `kount` in `views_7d`"]


def test_an_unreadable_action_does_not_take_its_name_with_it() -> None:
    """Others may still refer to it, by the name of its file."""
    texts = with_text(
        "contact.yaml", "hushes: {purposes: [marketing]}", "hushes: {actions: [late_fee]}"
    )
    texts["actions/late_fee.yaml"] = "action: [\n"
    assert [problem.file for problem in errors_in(texts)] == ["actions/late_fee.yaml"]


def test_without_a_file_that_others_rest_on_only_the_form_is_checked() -> None:
    """No avalanche of unknown names for one missing file."""
    texts = {file: text for file, text in SAMPLE.items() if file != "facts.yaml"}
    assert [str(problem).split(";")[0] for problem in check_folder(texts)] == [
        "facts.yaml: this file is missing"
    ]


def test_notes_refuse_nothing() -> None:
    """They are worth knowing, and told apart."""
    texts = with_text("consent.yaml", "  renewal: {", "  spare: {description: x}\n  renewal: {")
    problems = check_folder(texts)
    assert [str(problem) for problem in problems] == [
        "consent.yaml:5:3: note: no action uses the topic `spare`; remove it, or use it"
    ]
    assert errors_of(problems) == []


def test_unused_things_are_noted() -> None:
    """Each kind of declaration, at its name."""
    added = {
        "facts.yaml": ("traits:\n", "traits:\n  idle_t: {type: text}\n"),
        "consent.yaml": ("channels:\n", "channels:\n  idle_c: {adapter: files, cost: 0 EUR}\n"),
        "brand.yaml": ("placements:\n", "placements:\n  idle_p: {kind: inbound}\n"),
    }
    texts = dict(SAMPLE)
    for file, (old, new) in added.items():
        texts[file] = texts[file].replace(old, new, 1)
    texts["facts.yaml"] += "  idle_f: {count: Order Completed}\n"
    texts["catalog/idle.yaml"] = "product: idle_q\ncategory: x\nname: {en: A, de: A}\n"
    texts["templates/idle.en.liquid"] = "Hello\n"
    notes = notes_in(texts)
    assert sorted(at_place(texts, note)[:7] for note in notes) == [
        "Hello", "idle_c:", "idle_f:", "idle_p:", "idle_t:", "product",
    ]  # fmt: skip
    assert errors_in(texts) == []


def test_texts_may_say_what_the_compiler_will_give_them() -> None:
    """Whatever an action's texts get besides the customer has a name that the checker knew."""
    brand = load_brand(SAMPLE)
    bundle = compile_brand(brand)
    for name, action in brand.actions.items():
        schema = bundle.template_schema(name, action.about)
        for key, value in bundle.action_values[name].items():
            names = {key} if schema.get(key) == "any" else {f"{key}.{field}" for field in value}
            assert names <= schema.keys()
    assert any("terms" in values for values in bundle.action_values.values())


def test_problems_come_in_order_and_only_once() -> None:
    """The same mistake in one place is one line, however many ways lead to it."""
    texts = with_text("templates/missed_bill.en.liquid", "about.grace_until", "about.grace")
    problems: list[Problem] = check_folder(texts)
    assert len(problems) == 1
    assert "grace" in problems[0].message
