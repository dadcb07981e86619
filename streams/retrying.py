"""Infrastructure errors are retried in place with backoff; when that doesn't help, the worker gives up."""

from typing import Final

import structlog
from aiokafka.errors import (
    AuthenticationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
)
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_delay, wait_exponential_jitter

from streams import metrics

log = structlog.get_logger()

FIRST_PAUSE_SECONDS: Final = 0.1
_HOPELESS: Final = (
    AuthenticationFailedError,
    GroupAuthorizationFailedError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
)


def is_infrastructure(error: BaseException) -> bool:
    """Whether another attempt may help: Kafka or the network, but neither permissions nor a record that is too big."""
    return isinstance(error, KafkaError | OSError) and not isinstance(error, _HOPELESS)


def note_retry(what: str, attempt: int, error: BaseException | None) -> None:
    """Counts an attempt that failed and is followed by another, and logs it."""
    metrics.RETRIES.labels(what).inc()
    log.warning("retry", what=what, attempt=attempt, error=repr(error))


def retrying(what: str, seconds: float) -> AsyncRetrying:
    """Attempts for `what` (a metric label), 0.1 to 5 s apart, for about `seconds`; then the last error is raised."""

    def before_sleep(state: RetryCallState) -> None:
        note_retry(what, state.attempt_number, state.outcome.exception() if state.outcome else None)

    return AsyncRetrying(
        retry=retry_if_exception(is_infrastructure),
        wait=wait_exponential_jitter(initial=FIRST_PAUSE_SECONDS, max=5),
        stop=stop_after_delay(seconds),
        before_sleep=before_sleep,
        reraise=True,
    )
