# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's Kubernetes cluster: control plane on the host, kubelets in the VMs, and what runs on it."""
