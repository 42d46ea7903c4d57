"""Law: whatever a policy asks of a base, Spark can be asked as well."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kept.core.decision import Controls, Request
from kept.core.policy_sql.counts import find_condition, write_audience, write_chosen, write_reach
from kept.core.policy_sql.query import write_query
from kept.core.policy_sql.to_spark import to_spark
from tests.property.policies import NOW, Maker


# Each writes and parses some hundred kilobytes.
@settings(max_examples=max(settings().max_examples // 25, 2))
@given(seed=st.integers(0, 2**32), has_claims=st.booleans(), has_unknown=st.booleans())
def test_every_question_is_written_for_spark(
    *, seed: int, has_claims: bool, has_unknown: bool
) -> None:
    """Of brands made by chance nothing is asked that `to_spark` does not know."""
    maker = Maker(seed)
    bundle = maker.brand()

    def write(request: Request, controls: Controls, *, with_details: bool) -> str:
        query = write_query(
            bundle,
            now=NOW,
            request=request,
            controls=controls,
            has_claims=has_claims,
            has_unknown=has_unknown,
            with_details=with_details,
            where='":customer" IN (1, 2)',
            dialect="spark",
        )
        if with_details:
            return query.text
        chosen = write_chosen(query, query.actions[0]) if query.actions else query.text
        to_spark(chosen)
        return write_reach(query, by_cohort=True)

    request, controls = maker.request(bundle), maker.controls(bundle)
    condition = find_condition(bundle, where="orders > 1 AND segment.keen", segment="")
    questions = [
        write(request, controls, with_details=True),
        write(request, controls, with_details=False),
        write_audience(bundle, condition, now=NOW, stale=(), dialect="spark"),
    ]
    for question in questions:
        steps, last = to_spark(question)
        assert steps
        assert last.startswith("SELECT")
