# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Layer webhooks: what the API server calls when objects change is there to be called."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.friday.upgrade.plugins.plugin_utils.decide.checks.check import Check, Context
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Finding, Layer, Severity
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.snapshot import Observation, Webhook


class WebhookEndpoints(Check):
    """Every admission webhook has a ready endpoint: with ``failurePolicy: Fail`` all else hangs on it."""

    layer = Layer.WEBHOOKS
    name = "webhooks"
    needs = ("webhooks",)
    of_hosts = False

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find webhooks without a ready endpoint; with ``failurePolicy: Ignore`` that is a note."""
        for webhook in now.snapshot.webhooks:
            subject = f"webhook {webhook.name}"
            if webhook.ready_endpoints is None and webhook.service:
                message = f"the endpoints of {subject} (service {webhook.service}) could not be read"
                yield self.finding(Severity.UNKNOWN, subject, message)
            elif webhook.ready_endpoints == 0:
                severity = Severity.FAIL if webhook.failure_policy == "Fail" else Severity.WARN
                guarded = f"service {webhook.service} (failurePolicy {webhook.failure_policy})"
                yield self.finding(severity, subject, f"{subject} has {counted(0)} of {guarded}")

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare the numbers of ready endpoints; fewer but one at least is a note."""
        now = {_key(webhook): webhook for webhook in after.snapshot.webhooks}
        for old in before.snapshot.webhooks:
            new = now.get(_key(old))
            subject = f"webhook {old.name}"
            if new is None:
                message = f"{subject} ({old.configuration}) is gone, and it is unknown why"
                yield self.finding(Severity.UNKNOWN, subject, message, after="gone")
            elif new.ready_endpoints is None:
                yield self._uncounted(old, new, subject)
            elif new.ready_endpoints < (old.ready_endpoints or 0):
                yield self._fewer(old, new, subject)

    def _uncounted(self, old: Webhook, new: Webhook, subject: str) -> Finding:
        if new.service or old.service:
            message = f"the endpoints of {subject} (service {new.service or old.service}) could not be read"
            return self.finding(Severity.UNKNOWN, subject, message, before=counted(old.ready_endpoints))
        return self.finding(Severity.INFO, subject, f"{subject} is called by URL: its endpoints can't be counted")

    def _fewer(self, old: Webhook, new: Webhook, subject: str) -> Finding:
        left = f"{subject} has {counted(new.ready_endpoints)} of service {new.service} (before: {old.ready_endpoints})"
        if new.ready_endpoints:
            severity, message = Severity.WARN, left
        elif new.failure_policy == "Fail":
            severity, message = Severity.FAIL, f"{left}; its failurePolicy is Fail, so what it guards can't be changed"
        else:
            severity, message = Severity.WARN, f"{left}; its failurePolicy is {new.failure_policy}"
        return self.finding(severity, subject, message, counted(old.ready_endpoints), counted(new.ready_endpoints))


class ApiServices(Check):
    """Every aggregated API is available (in a comparison: that was)."""

    layer = Layer.WEBHOOKS
    name = "api-services"
    needs = ("api_services",)
    of_hosts = False

    def healthy(self, now: Observation, context: Context) -> Iterator[Finding]:
        """Find those that are not available."""
        for service in now.snapshot.api_services:
            if not service.available:
                message = f"API {service.name} is not available: {service.message or 'no message'}"
                evidence = (service.message,) if service.message else ()
                yield self.finding(Severity.FAIL, f"API {service.name}", message, evidence=evidence)

    def compare(self, before: Observation, after: Observation, context: Context) -> Iterator[Finding]:
        """Compare API by API."""
        now = {service.name: service for service in after.snapshot.api_services}
        for old in before.snapshot.api_services:
            new, subject = now.get(old.name), f"API {old.name}"
            if old.available and (new is None or not new.available):
                reason = "it is no longer registered" if new is None else new.message or "no message"
                evidence = (new.message,) if new and new.message else ()
                message = f"{subject} is not available: {reason}"
                yield self.finding(Severity.FAIL, subject, message, "available", "not available", evidence=evidence)


def counted(endpoints: int | None) -> str:
    """A number of ready endpoints in words."""
    if endpoints is None:
        return "an unknown number of ready endpoints"
    return f"{endpoints or 'no'} ready endpoint{'' if endpoints == 1 else 's'}"


def _key(webhook: Webhook) -> tuple[str, str, str]:
    return (webhook.kind, webhook.configuration, webhook.name)
