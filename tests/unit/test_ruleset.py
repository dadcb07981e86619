import json
from dataclasses import FrozenInstanceError

import pytest

from processors.ruleset import (
    RulesetError,
    default_book,
    json_schema,
    load_book,
    parse_rulesets,
    within,
)

HOUR = 3_600_000
HEAD = "name: mine\nversion: '7'\n"
NOV_11 = 1_794_326_400_000  # 2026-11-11T00:00:00+08:00


def problem(text: str) -> str:
    with pytest.raises(RulesetError) as caught:
        parse_rulesets(text, source="candidate.yaml")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_packaged_default_holds_the_numbers_of_the_contract() -> None:
    rules = default_book().at("any", 0)
    assert rules.label == "default@1"
    assert rules.timezone == default_book().timezone("any") == "Asia/Shanghai"
    assert (rules.response_cap_ms, rules.response_target_ms, rules.slow_after_ms) == (600_000, 180_000, 120_000)
    assert (rules.slow_count, rules.first_response_target_ms, rules.session_gap_ms) == (3, 10_000, 600_000)
    assert rules.platform_hours == (8 * HOUR, 23 * HOUR)
    assert rules.reply_rate_target == 0.95
    assert rules.attribution_horizon_ms == 24 * HOUR
    assert rules.same_day_basis == {"payment", "order"}
    assert (rules.negative_rating_max, rules.hidden_negative_rating_min) == (3, 4)
    assert rules.calling_hours == ((10 * HOUR, 12 * HOUR), (14 * HOUR, 20 * HOUR))
    assert rules.late_purchase_hours == (22 * HOUR, 6 * HOUR)
    assert rules.late_purchase_calling_hours == ((14 * HOUR, 20 * HOUR),)
    assert (rules.due_after_review_ms, rules.due_after_not_before_ms) == (24 * HOUR, 2 * HOUR)
    assert (rules.high_priority_rating_max, rules.normal_priority_rating_max) == (1, 2)
    assert rules.high_priority_amount_fen == 50_000
    assert (rules.negative_lookback_ms, rules.revisit_after_ms) == (30 * 24 * HOUR, 3 * 24 * HOUR)
    assert rules.assigned_role == "review_specialist"
    assert (rules.inquiry_to_order_rate, rules.order_to_paid_rate) == (0.5, 0.7)
    assert (rules.items_per_order, rules.amount_per_order_fen, rules.own_target_rate) == (1.2, 20_000, 0.8)


def test_the_packaged_severities_are_those_of_the_contract() -> None:
    severity = default_book().at("any", 0).severity
    assert {rule for rule, level in severity.items() if level == "violation"} == {
        "reminder.repeated",
        "reminder.same_day",
        "reminder.after_payment",
        "review.solicited",
    }
    assert {rule for rule, level in severity.items() if level == "notice"} == {
        "reminder.same_day.order_alone",
        "reminder.direct",
        "response.slow",
        "language.forbidden",
        "language.vague",
        "review.hidden_negative",
    }


def test_without_a_file_the_default_is_in_force() -> None:
    assert load_book(None, "unused") is default_book()
    assert load_book(HEAD, "mine.yaml").at("any", 0).label == "mine@7"


def test_a_partial_file_is_merged_over_the_default() -> None:
    rules = parse_rulesets(HEAD + "response: {slow_after_ms: 60000}").at("any", 0)
    assert rules.slow_after_ms == 60_000
    assert rules.slow_count == 3


def test_a_list_replaces_the_inherited_one() -> None:
    rules = parse_rulesets(HEAD + "phrases: {vague: [大概]}").at("any", 0)
    assert [hit.phrase for hit in rules.phrases.find("大概可能不行")] == ["大概", "不行"]


def test_equal_phrase_sets_share_one_matcher() -> None:
    book = parse_rulesets(HEAD + "shops: {a: {response: {slow_count: 2}}, b: {phrases: {vague: [大概]}}}")
    assert book.at("a", 0).phrases is book.at("x", 0).phrases is default_book().at("x", 0).phrases
    assert book.at("b", 0).phrases is not book.at("x", 0).phrases


def test_a_shop_overrides_and_keeps_the_label() -> None:
    book = parse_rulesets(
        HEAD + "shops: {bj: {timezone: Asia/Urumqi, call_task: {high_priority_amount: '99.90'}}, 10086: {}}"
    )
    assert (book.at("bj", 0).timezone, book.at("bj", 0).high_priority_amount_fen) == ("Asia/Urumqi", 9_990)
    assert (book.at("sh", 0).timezone, book.at("sh", 0).high_priority_amount_fen) == ("Asia/Shanghai", 50_000)
    assert book.at("bj", 0).label == book.at("sh", 0).label == "mine@7"
    assert book.timezone("bj") == "Asia/Urumqi"
    assert book.at("10086", 0).slow_count == 3


VERSIONS = """
name: mine
version: "2"
effective_from: 2026-11-11T00:00:00+08:00
response: {slow_count: 5}
shops: {a: {timezone: Asia/Urumqi, response: {slow_after_ms: 1}}}
---
name: mine
version: "1"
response: {slow_after_ms: 90000}
shops: {b: {response: {slow_count: 9}}}
---
version: "3"
effective_from: "2026-11-12T00:00:00.500Z"
"""


def test_the_version_in_force_is_the_last_that_began() -> None:
    book = parse_rulesets(VERSIONS)
    third = 1_794_441_600_500
    at = [book.at("x", time_ms).label for time_ms in (-(10**15), NOV_11 - 1, NOV_11, third - 1, third, 10**15)]
    assert at == ["mine@1", "mine@1", "mine@2", "mine@2", "mine@3", "mine@3"]
    assert book.versions == ("mine@1", "mine@2", "mine@3")


def test_before_the_first_effective_from_the_earliest_version_is_in_force() -> None:
    book = parse_rulesets(HEAD + "effective_from: 2026-11-11T00:00:00+08:00")
    assert book.at("x", 0).label == "mine@7"


def test_a_version_inherits_from_the_one_before_it_in_time_not_in_the_file() -> None:
    book = parse_rulesets(VERSIONS)
    assert book.at("x", NOV_11).slow_after_ms == 90_000
    assert book.at("x", NOV_11).slow_count == 5
    assert book.at("x", 0).slow_count == 3
    assert book.at("b", NOV_11).slow_count == 9
    assert book.at("a", 10**15).slow_after_ms == 1
    assert book.at("a", 0).slow_after_ms == 90_000


def test_a_shop_has_the_time_zone_of_its_newest_version_at_every_time() -> None:
    book = parse_rulesets(VERSIONS)
    assert book.timezone("a") == book.at("a", 0).timezone == "Asia/Urumqi"


def test_rules_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        default_book().at("x", 0).slow_count = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("response: {slow_after_ms: -5}", "response.slow_after_ms: must be a positive integer, got -5"),
        ("response: {slow_after_ms: true}", "response.slow_after_ms: must be a valid integer, got True"),
        ("response: {slow_after_ms: '5'}", "response.slow_after_ms: must be a valid integer, got '5'"),
        ("response: {slow_ms: 5}", "response.slow_ms: is not a setting"),
        ("response: 5", "response: must be a mapping, got 5"),
        ("response: {reply_rate_target: 95}", "response.reply_rate_target: must be less than or equal to 1, got 95"),
        ("phrases: {forbidden: 不行}", "phrases.forbidden: must be a list, got '不行'"),
        ("phrases: {forbidden: [不行, '']}", "phrases.forbidden[1]: must have at least 1 character, got ''"),
        ("phrases: {vague: [可能性]}", "phrases.vague: 可能性 is also an exception"),
        ("timezone: Asia/Peking", "timezone: must be an IANA time zone, like Asia/Shanghai, got 'Asia/Peking'"),
        ("timezone: ../../etc", "timezone: must be an IANA time zone, like Asia/Shanghai, got '../../etc'"),
        ("shops: {a: {response: {slow_count: 0}}}", "shops.a.response.slow_count: must be a positive integer, got 0"),
        ("shops: {a: {version: '8'}}", "shops.a.version: is not a setting"),
        (
            "call_task: {high_priority_amount: 500.5}",
            "call_task.high_priority_amount: must be a decimal amount in quotes, got 500.5",
        ),
        (
            "call_task: {calling_hours: [[14:00, 20:00], [10:00, 12:00]]}",
            "call_task.calling_hours: must be in order, apart, and within one day",
        ),
        (
            "response: {platform_hours: [08:00, 08:00]}",
            "response.platform_hours: must not start when it ends",
        ),
        ("severity: {response.slow: bad}", "severity.response.slow: must be 'violation' or 'notice', got 'bad'"),
        ("reminder: {same_day_basis: [chat]}", "reminder.same_day_basis[0]: must be 'payment' or 'order', got 'chat'"),
    ],
)
def test_an_error_names_file_document_and_field_in_one_line(text: str, message: str) -> None:
    assert problem(HEAD + text) == f"candidate.yaml: document 1: {message}"


@pytest.mark.parametrize("time", ["2026-11-11", "2026-11-11T00:00:00", "'2026-11-11T00:00:00'", "soon", "5"])
def test_an_effective_from_without_an_offset_is_an_error(time: str) -> None:
    assert problem(HEAD + f"effective_from: {time}").startswith(
        "candidate.yaml: document 1: effective_from: must be an RFC 3339 time with an offset"
    )


def test_two_versions_cannot_begin_at_one_instant() -> None:
    second = "---\nversion: '8'\neffective_from: 2026-11-10T16:00:00Z\n"
    assert problem(HEAD + "effective_from: 2026-11-11T00:00:00+08:00\n" + second) == (
        "candidate.yaml: document 2: effective_from: another document has 2026-11-10T16:00:00Z too"
    )


def test_only_one_version_can_leave_effective_from_out() -> None:
    assert problem(HEAD + "---\nversion: '8'") == (
        "candidate.yaml: document 2: effective_from: is missing, and so it is in another document"
    )


def test_two_versions_cannot_have_one_label() -> None:
    assert problem(HEAD + "---\nversion: '7'\neffective_from: 2026-11-11T00:00:00Z") == (
        "candidate.yaml: document 2: version: another document is mine@7 too"
    )


@pytest.mark.parametrize(("text", "field"), [("version: '1'", "name"), ("name: mine", "version")])
def test_a_changed_ruleset_needs_a_name_and_a_version_of_its_own(text: str, field: str) -> None:
    assert problem(text) == f"candidate.yaml: document 1: {field}: is missing"


def test_a_version_number_that_yaml_would_mangle_is_an_error() -> None:
    assert problem("name: x\nversion: 1.10") == (
        "candidate.yaml: document 1: version: must be text: put it in quotes, got 1.1"
    )
    assert parse_rulesets("name: x\nversion: 2").at("a", 0).label == "x@2"


def test_an_unquoted_time_of_day_is_no_base_60_number() -> None:
    rules = parse_rulesets(HEAD + "response: {platform_hours: [10:00, 22:30]}").at("any", 0)
    assert rules.platform_hours == (10 * HOUR, 22 * HOUR + HOUR // 2)
    assert problem(HEAD + "response: {platform_hours: [600, 22:30]}") == (
        'candidate.yaml: document 1: response.platform_hours[0]: must be a time of day like "08:30", got 600'
    )


def test_the_end_of_the_day_is_24_00() -> None:
    rules = parse_rulesets(HEAD + "response: {platform_hours: ['00:00', '24:00']}").at("any", 0)
    assert rules.platform_hours == (0, 24 * HOUR)
    assert "must be a time of day" in problem(HEAD + "response: {platform_hours: ['00:00', '24:01']}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "candidate.yaml: is empty"),
        ("- a", "candidate.yaml: document 1: must be a mapping of settings"),
        (HEAD + "---\n", "candidate.yaml: document 2: must be a mapping of settings"),
        (HEAD + "name: other", "candidate.yaml: line 3: not readable as YAML: name stands twice"),
        (
            "name: [",
            "candidate.yaml: line 1: not readable as YAML: expected the node content, but found '<stream end>'",
        ),
    ],
)
def test_a_file_that_is_no_ruleset_is_an_error_in_one_line(text: str, message: str) -> None:
    assert problem(text) == message


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [((8, 23), (8, 22), (7, 23)), ((22, 6), (22, 23, 0, 5), (6, 12, 21))],
)
def test_hours_hold_their_start_and_not_their_end_and_may_wrap_midnight(
    hours: tuple[int, int], inside: tuple[int, ...], outside: tuple[int, ...]
) -> None:
    assert all(within(hours, hour) for hour in inside)
    assert not any(within(hours, hour) for hour in outside)


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("跟描述不符,退了", "not_as_described"),
        ("色差太大", "not_as_described"),
        ("穿了一次就坏了", "quality"),
        ("质量太差", "quality"),
        ("发错货了,客服也不理人", "wrong_or_missing"),
        ("少了一个配件", "wrong_or_missing"),
        ("质量很好,就是物流太慢了", "logistics"),
        ("客服态度太差", "service"),
        ("刚买就降价", "price"),
        ("一般般", "other"),
        ("", "other"),
    ],
)
def test_a_review_has_the_first_cause_that_it_names(text: str, category: str) -> None:
    assert default_book().at("any", 0).categorise(text) == category


def test_the_order_of_the_categories_in_the_file_is_their_precedence() -> None:
    text = HEAD + "review: {categories: {price: [买完], 售前: [买], exceptions: [买一送一]}}"
    rules = parse_rulesets(text).at("any", 0)
    assert rules.review_categories[0] == "not_as_described"  # inherited ones keep their place
    assert rules.review_categories[-1] == "售前"
    assert rules.categorise("买一送一") == "other"
    assert rules.categorise("想买") == "售前"


def test_the_json_schema_requires_only_a_version_and_describes_shops() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["required"] == ["version"]
    assert schema["properties"]["shops"]["additionalProperties"] == {"$ref": "#/$defs/Settings"}
    assert "slow_after_ms" in schema["$defs"]["Response"]["properties"]
    assert "required" not in schema["$defs"]["Response"]
