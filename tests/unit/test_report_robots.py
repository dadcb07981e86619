"""Posting to group-chat robots, against a receiver that checks what DingTalk, WeCom and Feishu check."""

import json
import logging
from collections.abc import Iterator

import pytest
from fixtures.robots import SECRETS, Receiver

from web.reports.robots import ATTEMPTS, RobotsError, read_robots, robots_for

TEXT = "**成交**：¥37,200，94单\n\n- 第1名 小美 ¥12,600"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def post(url: str, text: str = TEXT) -> str:
    (robot,) = read_robots(url)
    return robot.post("整点报数 s", text, 0.01).error


@pytest.mark.parametrize("platform", ["dingtalk", "wecom", "feishu"])
def test_a_signed_robot_takes_the_report_as_markdown(receiver: Receiver, platform: str) -> None:
    assert post(receiver.urls[platform]) == ""
    ((taken, body),) = receiver.taken
    assert taken == platform
    words = json.dumps(body, ensure_ascii=False)
    assert "整点报数 s" in words
    assert "**成交**：¥37,200，94单" in words


@pytest.mark.parametrize("platform", ["dingtalk", "wecom", "feishu"])
def test_a_refusal_with_http_200_is_a_failure_and_is_told_without_secrets(receiver: Receiver, platform: str) -> None:
    url = receiver.urls[platform]
    for good, bad in zip(SECRETS, ("x1", "SECx2", "x3", "x4", "x5"), strict=True):
        url = url.replace(good, bad)
    error = post(url)
    assert error in ("errcode 300001", "errcode 93000", "code 19001")
    assert receiver.taken == []
    assert receiver.asked == ATTEMPTS


@pytest.mark.parametrize("platform", ["dingtalk", "feishu"])
def test_a_wrong_secret_is_refused(receiver: Receiver, platform: str) -> None:
    url = receiver.urls[platform].replace(SECRETS[1], "SECwrong").replace(SECRETS[4], "wrong")
    assert post(url) in ("errcode 310000", "code 19021")


@pytest.mark.parametrize(
    "fault",
    [(500, b"oops"), (302, b""), (200, b"no json"), (200, b"[]"), (200, b"{}"), (200, b'{"errcode":-1,"code":9}')],
)
@pytest.mark.parametrize("platform", ["dingtalk", "wecom", "feishu"])
def test_what_fails_is_tried_again(receiver: Receiver, platform: str, fault: tuple[int, bytes]) -> None:
    receiver.faults.extend([fault] * (ATTEMPTS - 1))
    assert post(receiver.urls[platform]) == ""
    assert (len(receiver.taken), receiver.asked) == (1, ATTEMPTS)
    receiver.faults.extend([fault] * ATTEMPTS)
    assert post(receiver.urls[platform]) != ""
    assert len(receiver.taken) == 1


def test_nothing_that_is_secret_is_told(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.NOTSET)
    gone = " ".join(receiver.urls.values())
    receiver.close()
    told = [robot.post("t", TEXT, 0.01) for robot in read_robots(gone)]
    for bad in ("dingtalk://bad_token_1/", "nothing", "feishu://", "wecombot://bad.key/"):
        with pytest.raises(RobotsError) as error:
            read_robots(f"{gone} {bad}")
        assert "entry 4" in str(error.value)
        told.append(str(error.value))  # type: ignore[arg-type]
    told_all = caplog.text + str(told) + str([robot.name for robot in read_robots(gone)])
    assert "ConnectionError" in told_all
    assert not [secret for secret in (*SECRETS, "bad_token_1", "bad.key") if secret in told_all]


def test_a_robot_may_be_for_one_shop(receiver: Receiver) -> None:
    urls = receiver.urls
    robots = read_robots(f"lining-hz={urls['dingtalk']}\n{urls['wecom']}  s:2={urls['feishu']}")
    assert [robot.shop_id for robot in robots] == ["lining-hz", "", "s:2"]
    assert robots_for(robots, "lining-hz") == robots[:2]
    assert robots_for(robots, "s:2") == robots[1:]
    assert [robot.name.split("-")[0] for robot in robots] == ["dingtalk", "wecombot", "feishu"]
    assert len({robot.name for robot in robots}) == 3
    assert [robot.post("t", TEXT, 0.01).error for robot in robots] == ["", "", ""]


def test_a_report_that_is_too_long_for_wecom_is_cut(receiver: Receiver) -> None:
    assert post(receiver.urls["wecom"], "很长" * 4000) == ""
    assert len(receiver.taken) == 1


def test_every_other_service_that_apprise_knows_works(receiver: Receiver) -> None:
    host = receiver.via.removeprefix("via=http://")
    receiver.faults.append((200, b""))
    assert post(f"json://{host}/hook") == ""
    assert post(f"json://{host}/hook") == "not taken"  # 404
