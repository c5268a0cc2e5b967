# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the API server calls when objects change is there to be called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Outcome, Severity
from tests.unit.checks import three_nodes as lab
from tests.unit.checks.asking import BEFORE, HEALTHY, WELL, baseline_of, note, only, unhealthy


def webhook(observation, **changes):
    return lab.with_snapshot(observation, webhooks=(replace(observation.snapshot.webhooks[0], **changes),))


def test_webhooks():
    finding = only(webhook(WELL, ready_endpoints=0), "webhooks")
    assert finding.subject == "webhook guard.lab" and "no ready endpoints of service guard/guard" in finding.message
    assert note(webhook(WELL, ready_endpoints=1), "webhooks").severity is Severity.WARN
    assert note(webhook(WELL, ready_endpoints=0, failure_policy="Ignore"), "webhooks").severity is Severity.WARN
    only(webhook(WELL, ready_endpoints=None), "webhooks", Severity.UNKNOWN)
    only(lab.with_snapshot(WELL, webhooks=()), "webhooks", Severity.UNKNOWN)


def test_a_webhook_by_url_is_a_note():
    by_url = webhook(WELL, service="", ready_endpoints=None)
    before = lab.with_snapshot(BEFORE, webhooks=by_url.snapshot.webhooks)
    assert note(by_url, "webhooks", before=before).severity is Severity.INFO


def test_an_api_is_not_available():
    first, second = WELL.snapshot.api_services
    lost = replace(second, available=False, message="endpoints for service/metrics-server have no addresses")
    finding = only(lab.with_snapshot(WELL, api_services=(first, lost)), "api-services")
    assert finding.subject == "API v1beta1.metrics.k8s.io" and "no addresses" in finding.message
    only(lab.with_snapshot(WELL, api_services=(first,)), "api-services")


@pytest.mark.parametrize(
    ("observation", "check", "text"),
    [
        (webhook(HEALTHY, ready_endpoints=0), "webhooks", "guard.lab"),
        (
            lab.with_snapshot(HEALTHY, api_services=(replace(HEALTHY.snapshot.api_services[0], available=False),)),
            "api-services",
            "v1.apps",
        ),
    ],
)
def test_what_keeps_a_friday_from_starting(observation, check, text):
    assert text in unhealthy(observation, check).message


def test_webhooks_before_the_start():
    assert baseline_of(webhook(HEALTHY, ready_endpoints=0, failure_policy="Ignore")).outcome is Outcome.PASS
    unhealthy(webhook(HEALTHY, ready_endpoints=None), "webhooks", Severity.UNKNOWN)
