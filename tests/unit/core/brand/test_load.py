"""A folder's texts become structs, or every problem of form with its place and a suggestion."""

import pytest

from kept.core.brand.load import (
    decode_texts,
    is_brand_file,
    load_brand,
    load_struct,
    read_brand,
    version_of,
)
from kept.core.brand.model import BrandFile, Hold, Product
from kept.errors import InvalidBrandError, Problem
from tests.unit.core.brand.sample import SAMPLE, line_of, sample_with


def problems_of(texts: dict[str, str]) -> list[Problem]:
    """Return what is wrong with the form of a folder."""
    return list(read_brand(texts).problems)


def only_problem(file: str, old: str, new: str) -> Problem:
    """Return the one problem that an exchange of text in the sample makes."""
    problems = problems_of(sample_with(file, old, new))
    assert len(problems) == 1, problems
    assert problems[0].file == file
    return problems[0]


def test_a_whole_folder_is_read_into_structs() -> None:
    """Each file goes where it belongs, under the names that the files themselves give."""
    brand = load_brand(SAMPLE)
    assert brand.brand.locales == ("en", "de")
    assert brand.contact.holds["unhappy"].while_.startswith("exists(case")
    assert brand.sources.sources["help_desk"].mappings[0].when == {"body.type": "ticket.created"}
    assert brand.consent.categories == {"Advertising": ("shop", "marketing")}
    assert brand.facts.objects["bill"].events["Bill Issued"].set["paid"] is False
    assert brand.facts.features["last_case_at"].last == ("Case Opened", "Case Resolved")
    assert sorted(brand.actions) == [
        "breach_notice",
        "late_fee",
        "missed_bill",
        "phone_plan",
        "small_loan",
    ]
    assert brand.products["plan_s"].terms is not None
    assert sorted(brand.templates) == [
        "breach_notice.de", "breach_notice.en", "missed_bill.de", "missed_bill.en", "small_loan.de", "small_loan.en",
    ]  # fmt: skip
    assert len(brand.version) == 16


def test_expressions_may_be_plain_numbers_and_keep_their_digits() -> None:
    """`value: 0.1` is read as the text that stands there, never through a float."""
    loan = load_brand(SAMPLE).actions["small_loan"]
    assert (loan.value, loan.p_accept) == ("money '12.00 EUR'", "0.1")
    assert loan.terms is not None
    assert loan.terms.rate_percent == "23"


@pytest.mark.parametrize(
    ("file", "old", "new", "piece", "message", "suggestion"),
    [
        ("contact.yaml", "hushes:", "hushs:", "hushs:", "unknown key `hushs`", "`hushes`"),
        ("consent.yaml", "ional: true", "ional: yes", "yes", "true or false", "write true"),
        ("consent.yaml", ": consent", ": konsent", "konsent", "not one of 5 words", "`consent`"),
        ("brand.yaml", "currency: EUR", "currency: 7", "7", "the number 7", "quotes"),
        ("brand.yaml", "[en, de]", "en", "en", "a list belongs", "[en]"),
        ("brand.yaml", "[en, de]", "[en, no]", "no]", "take for false", "quotes"),
        ("brand.yaml", "region: region", "region:", "", "nothing, where a text", '""'),
        ("sources.yaml", "limit: 1,", "limit: 1.5,", "1.5", "a whole number belongs", ""),
        ("sources.yaml", "limit: 1,", "limit: '1',", "'1'", "a whole number belongs", ""),
        ("sources.yaml", "1 hour", "1 houre", "1 houre", "not a unit of time", "`hour`"),
        ("facts.yaml", "type: text, ask", "type: txt, ask", "txt", "`txt` is not a type", ""),
        ("facts.yaml", "status: text", "status: [text]", "[text]", "a list where", ""),
        ("contact.yaml", '"21:00"', "'25:00'", "'25:00'", "is not a time of day", ""),
        ("consent.yaml", "2026-01-01", "2026-1-1", "2026-1-1", "is not a date", ""),
        ("consent.yaml", "[shop, marketing]", "[shop]", "[shop]", "a list of 2", ""),
        ("consent.yaml", "0.01 EUR", "0.01 EURO", "0.01 EURO", "is not an amount", ""),
    ],
)  # fmt: skip
def test_a_wrong_value_is_reported_where_it_stands(
    file: str, old: str, new: str, *, piece: str, message: str, suggestion: str
) -> None:
    """Line and column point at the word itself, and the suggestion says what to write."""
    problem = only_problem(file, old, new)
    text = sample_with(file, old, new)[file]
    assert message in problem.message
    assert suggestion in problem.suggestion + problem.message
    line = text.split("\n")[problem.line - 1]
    assert line[problem.column - 1 :].startswith(piece)


def test_a_missing_key_is_reported_at_the_thing_that_lacks_it() -> None:
    """A hold without `because` is reported on the line of its name."""
    file = "contact.yaml"
    because = '    because: "{{ orders_90d }} orders, and a matter is open"\n'
    problem = only_problem(file, because, "")
    assert problem.message == "the key `because` is missing in `unhappy`"
    assert (problem.line, problem.column) == (line_of(file, "unhappy:"), 3)


def test_a_name_that_yaml_takes_for_false_is_refused_as_a_key() -> None:
    """A locale `no` (Norwegian) is a text only within quotes."""
    problem = only_problem("catalog/plan_s.yaml", "de: Tarif S", "no: Plan S")
    assert "`no` without quotes" in problem.message
    assert problem.suggestion == 'put quotes around it: "no"'
    quoted = sample_with("catalog/plan_s.yaml", "de: Tarif S", '"no": Plan S')
    assert load_brand(quoted).products["plan_s"].name["no"] == "Plan S"


def test_all_problems_of_all_files_are_reported_at_once() -> None:
    """Nobody mends one only to meet the next; the order is that of files and lines."""
    texts = sample_with("brand.yaml", "currency: EUR", "currencies: EUR")
    texts["cohorts.yaml"] = "cohorts: [\n"
    texts["contact.yaml"] = texts["contact.yaml"].replace("count: 2", "count: two")
    texts["actions/late_fee.yaml"] = texts["actions/late_fee.yaml"].replace("measure", "mesure")
    del texts["sources.yaml"]
    texts["contacts.yaml"] = ""
    problems = problems_of(texts)
    assert [(problem.file, problem.line > 0) for problem in problems] == [
        ("actions/late_fee.yaml", True),
        ("brand.yaml", True),
        ("cohorts.yaml", True),
        ("contact.yaml", True),
        ("contacts.yaml", False),
        ("sources.yaml", False),
    ]
    assert problems[4].suggestion == "did you mean `contact.yaml`?"
    with pytest.raises(InvalidBrandError) as caught:
        load_brand(texts)
    assert list(caught.value.problems) == problems


def test_what_follows_only_from_an_unreadable_file_is_not_reported() -> None:
    """A syntax error in a file is one problem, not one for each key that could not be read."""
    texts = {**SAMPLE, "brand.yaml": "brand: 'Fern\n"}
    assert len(problems_of(texts)) == 1


def test_two_actions_of_one_name_are_refused() -> None:
    """The second is reported, with the file of the first."""
    texts = {**SAMPLE, "actions/z.yaml": SAMPLE["actions/late_fee.yaml"]}
    (problem,) = problems_of(texts)
    assert (problem.file, problem.line) == ("actions/z.yaml", 1)
    assert "already in actions/late_fee.yaml" in problem.message


def test_a_yml_ending_is_named_as_the_mistake() -> None:
    """The suggestion is the file's right name."""
    texts = {**SAMPLE, "actions/extra.yml": "action: extra"}
    (problem,) = problems_of(texts)
    assert problem.suggestion == "rename it to actions/extra.yaml"


def test_what_is_not_of_the_brand_is_left_alone() -> None:
    """Stories, a README and hidden files neither disturb nor change the version."""
    more = {"README.md": "# Hello", "stories/a.yaml": ": : :", ".schema/brand.json": "{}"}
    assert not any(map(is_brand_file, more))
    assert load_brand({**SAMPLE, **more}) == load_brand(SAMPLE)


def test_the_version_changes_with_any_byte_and_with_names() -> None:
    """Two folders of one version decide alike; moving a template is a change."""
    renamed = {**SAMPLE}
    renamed["templates/missed.en.liquid"] = renamed.pop("templates/missed_bill.en.liquid")
    edited = sample_with("contact.yaml", "count: 2", "count: 3")
    assert len({version_of(SAMPLE), version_of(renamed), version_of(edited)}) == 3
    assert version_of({file: SAMPLE[file] for file in sorted(SAMPLE, reverse=True)}) == version_of(
        SAMPLE
    )
    assert version_of({"a.yaml": "b.yaml"}) != version_of({"a.yamlb.yaml": ""})


def test_bytes_that_are_not_utf_8_are_refused_with_their_place() -> None:
    """Line and column are counted up to the first bad byte, over every file."""
    contents = {"brand.yaml": b"brand: F\ncity: Gr\xfc\xdfe\n", "facts.yaml": b"\xff"}
    with pytest.raises(InvalidBrandError) as caught:
        decode_texts(contents)
    assert [str(problem).split(";")[0] for problem in caught.value.problems] == [
        "brand.yaml:2:9: the byte 0xFC does not belong in UTF-8",
        "facts.yaml:1:1: the byte 0xFF does not belong in UTF-8",
    ]
    assert decode_texts({"a": "ü".encode()}) == {"a": "ü"}


def test_a_byte_order_mark_and_windows_line_ends_are_taken() -> None:
    """An editor's habits do not change what a file says, nor where."""
    texts = {file: text.replace("\n", "\r\n") for file, text in SAMPLE.items()}
    texts["brand.yaml"] = "\ufeff" + texts["brand.yaml"]
    brand = load_brand(texts)
    assert brand.brand == load_brand(SAMPLE).brand
    assert brand.templates == load_brand(SAMPLE).templates
    texts["brand.yaml"] = texts["brand.yaml"].replace("currency: EUR", "currency: 7")
    (problem,) = problems_of(texts)
    assert (problem.line, problem.column) == (2, 11)


def test_one_struct_is_read_by_the_same_rules() -> None:
    """Stories and mapping files say the same things in the same way."""
    product = load_struct("product: a\ncategory: b\nname: {en: A}\n", "a.yaml", Product)
    assert product == Product(product="a", category="b", name={"en": "A"})
    with pytest.raises(InvalidBrandError, match=r"a\.yaml:1:1: the key `product` is missing"):
        load_struct("category: b\nname: {}\n", "a.yaml", Product)
    with pytest.raises(InvalidBrandError, match="is not YAML"):
        load_struct("a: 'b", "a.yaml", Hold)


def test_a_key_left_empty_means_nothing_is_there() -> None:
    """An empty mapping or list may be left out after its colon; a struct misses its keys."""
    texts = sample_with(
        "cohorts.yaml", "segments:\n  browsing: {when: views_7d > 3}\n", "segments:\n"
    )
    assert load_brand(texts).cohorts.segments == {}
    assert (
        not load_brand(sample_with("brand.yaml", "asks: [first_name]", "asks: "))
        .brand.placements["till"]
        .asks
    )
    texts = sample_with("actions/phone_plan.yaml", "terms_from: plan_s", "terms:")
    assert load_brand(texts).actions["phone_plan"].terms is None
    problem = only_problem("consent.yaml", "{description: Renewals}", "")
    assert problem.message == "the key `description` is missing in `renewal`"
    problem = only_problem(
        "consent.yaml", "renewal: {description: Renewals}", "null: {description: x}"
    )
    assert "means nothing to YAML" in problem.message
    problem = only_problem("consent.yaml", "promotional: true", "promotional: ")
    assert problem.message == "nothing where true or false belongs"
    problem = only_problem("consent.yaml", "{description: Renewals}", "[Renewals]")
    assert "a list where keys with values belong under `renewal`" in problem.message


def test_details_of_a_product_may_be_anything_that_is_plain() -> None:
    """Free data keeps its types; ambiguous words must say what they are."""
    details = "details: {floors: 3, area: 81.5, lift: true, none: null, names: [a, {b: c}]}\n"
    text = "product: a\ncategory: b\nname: {}\n" + details
    assert load_struct(text, "a.yaml", Product).details == {
        "floors": 3, "area": 81.5, "lift": True, "none": None, "names": ["a", {"b": "c"}],
    }  # fmt: skip
    with pytest.raises(InvalidBrandError, match="`yes` without quotes"):
        load_struct(text.replace("lift: true", "lift: yes"), "a.yaml", Product)


def test_too_many_files_are_refused() -> None:
    """A mount point by mistake is not read for hours."""
    texts = {f"actions/a{number}.yaml": "" for number in range(5_001)}
    assert "5,001 files" in problems_of(texts)[0].message


def test_what_had_to_be_replaced_is_known() -> None:
    """Later checks keep quiet about places that hold a stand-in."""
    texts = sample_with("brand.yaml", "currency: EUR", "currency: 7")
    reading = read_brand(texts)
    assert reading.doubtful == {("brand.yaml", ("currency",))}
    assert reading.is_whole
    assert reading.brand.brand.currency == ""
    assert isinstance(reading.brand.brand, BrandFile)
    texts["cohorts.yaml"] = "["
    assert not read_brand(texts).is_whole
