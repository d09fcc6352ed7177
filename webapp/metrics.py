"""Figures for Prometheus, to whoever knows the token."""

from collections.abc import Iterator

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from redis.exceptions import RedisError

from mailboxes.metrics import Metric, metrics
from webapp.guards import metrics_token_required
from workers import queues

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@metrics_token_required
def index() -> ResponseReturnValue:
    """All figures as they are now; nothing is kept in this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Figures(Collector):
    """What the tables say, and how long the queues are."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from map(_family, metrics())
        yield _queue_lengths()
        yield _watched()


def _family(metric: Metric) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.help, labels=[metric.label] if metric.label else [])
    for value, number in metric.values.items():
        family.add_metric([value] if metric.label else [], number)
    return family


def _queue_lengths() -> GaugeMetricFamily:
    """None where Redis does not answer: a queue nobody can see is not empty."""
    family = GaugeMetricFamily("postroom_jobs_waiting", "Jobs that wait in each queue.", labels=["queue"])
    try:
        for name in queues.QUEUES:
            family.add_metric([name], queues.queue(name).count)
    except RedisError:
        family.samples.clear()
    return family


def _watched() -> GaugeMetricFamily:
    """Missing where Redis does not answer, too."""
    family = GaugeMetricFamily(
        "postroom_connections_watched", "Accounts whose server announces new mail to a watcher that lives."
    )
    try:
        family.add_metric([], queues.watched_count())
    except RedisError:
        family.samples.clear()
    return family
