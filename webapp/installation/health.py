"""How the installation is: figures, processes and queues, and the accounts that are worst off."""

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from redis.exceptions import RedisError

from mailboxes.health.installation import lacking_folders, newest_at, past_days
from mailboxes.health.worst import worst_accounts
from mailboxes.metrics import metrics
from webapp.configuration.sidebar import system_tree
from webapp.filters import zone
from webapp.guards import system_admin_required
from workers import queues

blueprint = Blueprint("health", __name__, url_prefix="/system/health")

PURPOSES = {
    queues.SYNC: "Passes over accounts",
    queues.INTAKE: "Arrivals become messages",
    queues.ACTION: "Records and automatic responses",
    queues.OUTGOING: "The outbox is sent",
    queues.NOTICES: "Mail of the system itself",
    queues.WEBHOOKS: "Programs of organizations are told",
}


@blueprint.get("/")
@system_admin_required
def index() -> ResponseReturnValue:
    """The whole page."""
    days, delays = past_days(zone())
    return render_template("installation/health.html", tree=system_tree(), days=days, delays=delays, **_now())


@blueprint.get("/now")
@system_admin_required
def now() -> ResponseReturnValue:
    """The part of it that changes by itself, for a page that stays open."""
    return render_template("installation/_health_now.html", **_now())


def _now() -> dict[str, Any]:
    worst, worst_count = worst_accounts()
    return {
        "known": {metric.name.removeprefix("postroom_"): metric.values for metric in metrics()},
        "worst": worst,
        "worst_count": worst_count,
        "newest_at": newest_at(),
        "lacking": lacking_folders(),
        "purposes": PURPOSES,
        **_processes(),
    }


def _processes() -> dict[str, Any]:
    """Who lives, and what waits for them; nothing where Redis does not answer."""
    try:
        living = queues.living()
        return {
            "has_redis": True,
            "pace": queues.pace(),
            "has_schedule": "schedule" in living,
            "watchers": [name for name in living if name.startswith("watch ")],
        }
    except RedisError:
        return {"has_redis": False, "pace": {}, "has_schedule": False, "watchers": []}
