# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that say which cluster is meant, and where the runs keep their records in it."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc: ``extends_documentation_fragment: [friday.upgrade.cluster]``."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    type: str
    description: Path of the kubeconfig. Empty means E(K8S_AUTH_KUBECONFIG), then E(KUBECONFIG), then C(~/.kube/config).
    default: ""
  context:
    type: str
    description: Context of the kubeconfig. Empty means its current one.
    default: ""
  namespace:
    type: str
    description: Namespace of the lock and of the records.
    default: friday
"""
