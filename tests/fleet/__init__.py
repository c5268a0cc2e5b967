# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fleet to run whole Fridays on, without VMs: real playbooks, API server, apt and dpkg; stand-ins for what boots.

What stands in, and for what (each through an interface that every user of Ansible or Kubernetes has):

- ``connection/fleet_machine.py`` for a machine that one reaches by ssh: a connection plugin. Commands run on this
  machine, in a mount namespace with folders of the test's own under dpkg, apt, /boot and /usr; it can fail in all the
  ways of a connection.
- ``shutdown`` in that namespace for a boot: it writes another boot id and starts the newest kernel of its /boot.
- :class:`world.Kubelets` for kubelets, the scheduler and the controller of a ReplicaSet: they say in the API what a
  node boots into, let evicted pods go and start others.
"""
