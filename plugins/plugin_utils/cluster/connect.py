# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connect to the cluster, and say which of the many ways in which that can fail it was."""

from __future__ import annotations

import base64
import datetime
import json
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.client import Api
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.errors import (
    ANONYMOUS,
    ApiError,
    KubeError,
    advice,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.cluster.kubeconfig import (
    SUBJECT,
    configuration_of,
    kubeconfig_paths,
    masked,
    merged,
)
from ansible_collections.friday.upgrade.plugins.plugin_utils.model.finding import Problem

if TYPE_CHECKING:
    from kubernetes.client import Configuration


def connect(kubeconfig: str = "", context: str = "", timeout: float = 30.0) -> Api:
    """Connect to the cluster and make sure that it answers and knows us.

    Args:
        kubeconfig: path; empty takes ``$K8S_AUTH_KUBECONFIG``, ``$KUBECONFIG`` or ``~/.kube/config`` (in this order).
        context: name in the file; empty takes its current context.
        timeout: seconds that a request may wait for an answer.

    Raises:
        KubeError: with what is wrong and what to do, for each way in which this can fail.
    """
    check_client()
    paths, context = merged(kubeconfig_paths(kubeconfig), context)
    configuration = configuration_of(paths, context)
    from kubernetes.client import ApiClient
    from urllib3.exceptions import LocationValueError

    try:
        api = Api(ApiClient(configuration), timeout)
    except LocationValueError as error:
        text = f"{paths[0]}: its server or its proxy-url is not a URL: {masked(str(error), paths)}"
        raise KubeError(Problem(SUBJECT, text, "check the file")) from None
    if api.unverified:
        _do_not_warn_of_each_request(api.server)
    try:
        api.version = str(api.get("/version").get("gitVersion", ""))
        api.user = _who(api)
    except ApiError as error:
        raise KubeError(_connection_problem(error, api, configuration)) from error
    return api


def check_client() -> None:
    """Make sure that the client library can be imported. Raises KubeError."""
    try:
        from kubernetes import client, config  # noqa: F401
    except ImportError as error:
        message = f"the Python that runs Ansible, {sys.executable}, cannot import this package: {error}"
        fix = f"install it for this Python: `{sys.executable} -m pip install kubernetes`"
        raise KubeError(Problem("kubernetes", message, fix)) from error


def _do_not_warn_of_each_request(server: str) -> None:
    """The guard says once that the certificate is not checked; urllib3 would with each of hundreds of requests."""
    from urllib3.exceptions import InsecureRequestWarning

    host = re.escape(urlsplit(server).hostname or "")
    warnings.filterwarnings("ignore", rf".* host '\[?{host}\]?'", InsecureRequestWarning)


def _who(api: Api) -> str:
    """Ask the server for our name. Reading the version proves nothing: anybody may."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = api.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body)
    except ApiError as error:
        # Before Kubernetes 1.28 there is no such thing: administrators are told so, others that it is forbidden.
        if error.status == 404 or (error.status == 403 and ANONYMOUS not in error.message):
            return ""
        raise
    return str(answer["status"]["userInfo"]["username"])


def _connection_problem(error: ApiError, api: Api, configuration: Configuration) -> Problem:
    if error.status == 401:
        expired = _expired_credentials(configuration)
        if expired:
            return Problem(SUBJECT, expired, "get a new kubeconfig")
        return Problem(SUBJECT, f"{api.server} does not accept its credentials (401)", "get a new kubeconfig")
    if error.status == 403 and ANONYMOUS in error.message:
        return Problem(
            SUBJECT,
            f"it has no credentials that {api.server} accepts: {error.message}",
            "check the user of the context",
        )
    if error.status:
        return Problem(SUBJECT, f"{api.server}: {error.message} ({error.status})", advice(error.status))
    return Problem(
        SUBJECT, f"{api.server}: {error.message}", "check the server's address, and the network between here and there"
    )


def _expired_credentials(configuration: Configuration) -> str:
    """Say what has expired: the client certificate or the token (a JWT). Empty when neither shows a date gone by."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if configuration.cert_file:
        try:
            from cryptography import x509

            certificate = x509.load_pem_x509_certificate(Path(configuration.cert_file).read_bytes())
        except (ImportError, OSError, ValueError):
            return ""
        # not_valid_after_utc came with cryptography 42; Ubuntu 24.04 has 41, whose field is UTC without saying so.
        end = getattr(certificate, "not_valid_after_utc", None) or certificate.not_valid_after.replace(
            tzinfo=datetime.timezone.utc
        )
        if end < now:
            return f"the client certificate expired on {end:%Y-%m-%d %H:%M} UTC"
    token = str((configuration.api_key or {}).get("BearerToken", "")).removeprefix("Bearer ")
    expiry = _token_expiry(token)
    if expiry and expiry < now.timestamp():
        end = datetime.datetime.fromtimestamp(expiry, datetime.timezone.utc)
        return f"the token expired on {end:%Y-%m-%d %H:%M} UTC"
    return ""


def _token_expiry(token: str) -> float:
    """``exp`` of a JSON Web Token (RFC 7519), 0 when it isn't one or has none."""
    parts = token.split(".")
    if len(parts) != 3:
        return 0.0
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims.get("exp", 0))
    except (ValueError, AttributeError, TypeError):
        return 0.0
