# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab: a real Kubernetes cluster of real virtual machines on one small machine.

Standard library only; everything else that it runs (Kubernetes, Cilium, QEMU, Debian) is the real program.
Run it from the root of the checkout as ``python3 -m lab COMMAND``.
"""
