"""The web's Prometheus metrics, all in one place. Names are part of what operators rely on."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

EVENTS_ACCEPTED: Final = Counter(
    "zhengdian_web_events_accepted_total", "Events of POST /v1/events that Kafka has", ["type"]
)
EVENTS_REJECTED: Final = Counter(
    "zhengdian_web_events_rejected_total", "Events of POST /v1/events answered with 422, by reason", ["reason"]
)
PUBLISH_SECONDS: Final = Histogram(
    "zhengdian_web_publish_seconds",
    "Time until Kafka had the events of one request",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)
COMMANDS: Final = Counter("zhengdian_web_commands_total", "What people did: claims, verdicts, calls", ["type"])
REPORTS: Final = Counter("zhengdian_web_reports_total", "Reports made on the hour and at the day's end", ["kind"])
REPORT_POSTS: Final = Counter(
    "zhengdian_web_report_posts_total", "Reports that a group chat's robot took (ok), or did not (failed)", ["outcome"]
)
BOARD_SECONDS: Final = Histogram(
    "zhengdian_web_board_seconds", "Time to read one leaderboard", buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
)
VIEWERS: Final = Gauge("zhengdian_web_viewers", "Open wallboards and event streams", ["kind"])
REQUESTS: Final = Counter(
    "zhengdian_web_requests_total", "HTTP requests by route and status", ["method", "route", "status"]
)
