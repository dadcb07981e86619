"""Reports through a real broker and a real sink: the rows are the records, and the first of a revision counts."""

from pathlib import Path

import orjson
import pytest
from fixtures.brokers import Broker
from sink_harness import until

from processors.report import Report, Star, Team
from schemas import outputs
from schemas.settings import Settings
from schemas.topics import REPORTS
from schemas.types import parse_time
from sinks import migrate
from sinks.database import open_database
from sinks.kafka import EventProducer, create_topics
from sinks.report_reader import ReportReader
from sinks.sink import Sink

pytestmark = pytest.mark.stack

AT = parse_time("2026-11-11T20:00:00+08:00")
REPORT = Report(
    report_id="r1", kind="hour", shop_id="s", timezone="Asia/Shanghai", starts_at=AT, ends_at=AT + 3_600_000, as_of=AT + 3_600_000,
    made_at=AT + 3_606_123, made_by="", complete=False, sale_event="双十一", pk_basis="orders", paid_amount=12_345_67, orders_paid=89,
    buyers_served=200, buyers_paid=80, silent_amount=1, before_amount=None, target_amount=9_999_999_999_99, target_orders=None,
    day_amount=22_345_67, day_orders=189, day_target_amount=None, day_target_orders=400, teams=(Team("红队", 1, 5, 6), Team("蓝\"队'", 2, 3, 4)),
    stars=(Star("a", "小美", "红队", 1, 500, 6),), stars_left=2, ruleset="default@1",
)  # fmt: skip


def test_rows_are_the_records_and_of_equal_revisions_the_first_counts(broker: Broker, tmp_path: Path) -> None:
    settings = Settings(
        kafka_bootstrap=broker.bootstrap,
        data_dir=tmp_path / "data",
        partitions=4,
        session_timeout_seconds=2,
        topic_prefix="r.",
    )
    create_topics(settings)
    db, producer, touched = open_database(settings), EventProducer(settings), set[str]()
    migrate.up(db)
    reader = ReportReader(db)
    sink = Sink(settings, db, on_batch=touched.update)
    sink.start()
    try:
        outputs.Report.model_validate_json(REPORT.value())
        mine = REPORT.next(post_status="sending", post_by="one", post_after=AT)
        other = REPORT.next(post_status="sending", post_by="two")
        done = mine.next(
            post_status="done", post_after=None, posted=("dingtalk-1", "feishu-2"), post_error="", post_attempts=1
        )
        key = REPORT.report_id.encode()
        producer.publish([(REPORTS, key, REPORT.value())], 10)
        until(lambda: reader.report("r1") == REPORT)
        producer.publish([(REPORTS, key, mine.value()), (REPORTS, key, other.value())], 10)
        until(lambda: reader.report("r1") == mine)
        producer.publish([(REPORTS, key, REPORT.value()), (REPORTS, key, other.value())], 10)  # from the dead
        producer.publish(
            [(REPORTS, key, done.value()), (REPORTS, key, b'{"report_id": 1}'), (REPORTS, key, b"\xff")], 10
        )
        until(lambda: reader.report("r1") == done)
        until(lambda: db.query("SELECT count() AS n FROM rejected")[0]["n"] == 2)
        # all of them have been read, for they share a partition
        db.command("OPTIMIZE TABLE reports_raw FINAL")
        kept = db.query("SELECT revision, post_by FROM reports_raw WHERE report_id = 'r1' ORDER BY revision")
        assert [tuple(row.values()) for row in kept] == [(1, ""), (2, "one"), (3, "one")]
    finally:
        sink.stop()
        producer.close()
    assert sink.exit_code == 0
    assert "reports_raw" in touched
    row = db.query("SELECT * FROM reports WHERE report_id = 'r1'")[0]
    assert orjson.loads(row["teams"])[1] == {"team": "蓝\"队'", "rank": 2, "paid_amount": "0.03", "orders_paid": 4}
    assert row.keys() == outputs.Report.model_fields.keys()
    db.close()
