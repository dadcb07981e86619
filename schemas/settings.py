"""All settings, each with its environment variable, default and meaning. `zhengdian settings` prints this list."""

from pathlib import Path
from typing import Literal

from pydantic import Field, Json, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.topics import DEFAULT_PARTITIONS


class Settings(BaseSettings):
    """Settings of every part. Read from the environment (prefix ZHENGDIAN_); secrets come from there only."""

    model_config = SettingsConfigDict(env_prefix="ZHENGDIAN_", extra="ignore", env_ignore_empty=True)

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port[,host:port…]")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to speak to Kafka"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="SASL mechanism"
    )
    kafka_username: str = Field("", description="SASL user")
    kafka_password: SecretStr = Field(SecretStr(""), description="SASL password")
    kafka_ca_file: Path | None = Field(None, description="CA certificate for SSL")
    topic_prefix: str = Field(
        "", description="put before every topic name and consumer group, so that systems can share a cluster"
    )
    partitions: int = Field(
        DEFAULT_PARTITIONS, ge=1, le=1000, description="partitions of the source topics, when they are created"
    )
    replication_factor: int = Field(1, ge=1, description="replicas of topics, when they are created; 3 in production")

    clickhouse: Literal["embedded", "server"] = Field(
        "embedded", description="embedded: chDB in process; server: clickhouse-driver"
    )
    clickhouse_url: SecretStr = Field(
        SecretStr("clickhouse://default@127.0.0.1:9000/zhengdian"),
        description="server: clickhouse://user:password@host:port/database (clickhouses:// for TLS)",
    )
    data_dir: Path = Field(Path(".zhengdian"), description="embedded: where chDB and local state live")
    database: str = Field("zhengdian", pattern=r"^[A-Za-z_]\w*$", description="ClickHouse database")

    rules: Path | None = Field(None, description="ruleset file; default: the packaged one")
    horizon_days: int = Field(
        35, ge=2, description="how far back the worker keeps facts; older ones are rejected as late"
    )
    check_future: bool = Field(
        True, description="worker and sink reject events more than an hour ahead of the clock; off in a replay"
    )
    flush_seconds: float = Field(
        0.25, gt=0, description="worker: time between checkpoints (state written, results sent)"
    )
    sums_seconds: float = Field(
        1,
        ge=0,
        le=60,
        description="worker: time between two records of one response window or leaderboard row, at least; offsets wait for it",
    )
    worker_chunk: int = Field(2000, ge=1, description="worker: records handed over at once")
    worker_state_dir: Path | None = Field(
        None, description="worker: keep a local rocksdict copy of the state here, for a faster restart"
    )
    session_timeout_seconds: float = Field(6, gt=0, description="consumer group session timeout")
    worker_metrics_port: int = Field(0, ge=0, le=65535, description="worker: Prometheus port; 0 is off")

    sink_batch_rows: int = Field(20_000, ge=1, description="sink: insert at this many records")
    sink_batch_seconds: float = Field(
        0.25, gt=0, description="sink: or so long after the last insert began; up to 0.5 s where inserts take long"
    )
    sink_metrics_port: int = Field(0, ge=0, le=65535, description="sink: Prometheus port; 0 is off")

    web_host: str = Field("127.0.0.1", description="web: address to bind; loopback unless told otherwise")
    web_port: int = Field(8080, ge=0, le=65535, description="web: port; 0 takes a free one")
    web_access: Literal["auto", "local", "open", "sign-in"] = Field(
        "auto",
        description="web: whether people must sign in; auto: unless it is bound to loopback and there are neither users nor a "
        "provider. local: unless it is bound to loopback; who signs in has their role. open: whoever reaches it may do "
        "everything (behind a gateway)",
    )
    web_hosts: str = Field(
        "",
        description="web: where it is open, the names that a browser may call it by, host[,host…]; default: the loopback's on "
        "loopback, else any",
    )
    web_users: Path | None = Field(None, description="web: file of users and API tokens, see `zhengdian users`")
    web_secret: SecretStr = Field(
        SecretStr(""),
        description="web: what sessions are signed with, the same on every instance; default: new each start",
    )
    web_session_hours: float = Field(12, gt=0, le=720, description="web: how long somebody stays signed in")
    web_public_url: str = Field(
        "",
        pattern=r"^(https?://[^/?#@\s]+/?)?$",
        description="web: its address as browsers know it, such as https://audit.shop; default: what each request says",
    )
    web_sign_in_hint: str = Field("", description="web: a line on the sign-in page, such as whom to ask for an account")
    web_oidc_issuer: str = Field(
        "", description="web: OpenID Connect provider that people may sign in at, such as https://sso.shop/realms/floor"
    )
    web_oidc_client_id: str = Field("", description="web: what the provider knows the web part by")
    web_oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="web: its secret there; empty: a public client"
    )
    web_oidc_scopes: str = Field("openid profile", description="web: scopes to ask the provider for")
    web_oidc_name_claim: str = Field(
        "preferred_username", description="web: claim with the person's name, which must be theirs alone and stay so"
    )
    web_oidc_roles_claim: str = Field(
        "roles", description="web: claim with roles or groups; may be a path such as realm_access.roles"
    )
    web_oidc_roles: Json[dict[str, Literal["ops", "qc", "caller", "engineer", "admin"]]] = Field(
        "{}",  # type: ignore[arg-type]  # read as what the environment says is
        description='web: value of that claim -> role, JSON such as {"floor-qc": "qc"}; default: the values are the roles\' names',
    )
    web_oidc_agents_claim: str = Field(
        "", description="web: claim with the service accounts that the person chats with; empty: none"
    )
    web_read_seconds: float = Field(
        30,
        gt=0,
        le=55,
        description="web: how long a scorecard or the rows behind its figures may be read; pages wait for a minute",
    )
    web_reports: bool = Field(
        True, description="web: make the reports on the hour; of several web processes one is enough, more do no harm"
    )
    web_report_urls: SecretStr = Field(
        SecretStr(""),
        description="web: group-chat robots that reports are posted to, Apprise URLs separated by blanks, each for all shops or "
        "as SHOP=URL for one",
    )
    web_report_language: Literal["zh", "en"] = Field("zh", description="web: the language of what robots post")
    future_tolerance_seconds: int = Field(
        3600,
        ge=0,
        le=3600,
        description="live ingest and web reject events further ahead of the clock; at most an hour, since worker and sink "
        "reject what is beyond that",
    )

    metrics_host: str = Field("127.0.0.1", description="worker and sink: address their Prometheus ports bind to")

    log_format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else json")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="log level")
