# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units that have failed, and other actors that upgrade or restart a machine by themselves."""

from __future__ import annotations

from .system import System, Unreadable

# Data: timers whose run would upgrade, or take apt's locks, in the middle of ours.
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
# Data: name of a process (15 characters, proc(5)), and the actor that it belongs to.
PROCESSES = {
    "kured": "kured",
    "system-upgrade-": "system-upgrade-controller",
    "unattended-upgr": "unattended-upgrades",
    "packagekitd": "packagekit",
    "apt": "apt",
    "apt-get": "apt-get",
    "aptitude": "aptitude",
    "dpkg": "dpkg",
}
_PERIODIC = 'APT::Periodic::Unattended-Upgrade "'


def failed_units(system: System) -> list[str]:
    """Names of the units in state failed, in order."""
    argv = ["systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager", "--full"]
    return sorted(line.split()[0] for line in system.read_from(argv).splitlines() if line.strip())


def competing(system: System) -> list[str]:
    """Names of the actors found: active timers, configured upgraders, running processes."""
    return sorted({*_active_timers(system), *_configured(system), *_running(system)})


def _active_timers(system: System) -> list[str]:
    if not system.find("systemctl"):
        return []
    # One state a line, in the order asked; the exit code is that of the last and says nothing here.
    states = system.run(["systemctl", "is-active", *TIMERS]).out.splitlines()
    return [timer for timer, state in zip(TIMERS, states) if state == "active"]


def _configured(system: System) -> list[str]:
    found = []
    if system.find("unattended-upgrade") and system.find("apt-config"):
        settings = system.read_from(["apt-config", "dump", "APT::Periodic"])
        values = [line.split('"')[1] for line in settings.splitlines() if line.startswith(_PERIODIC)]
        if values and values[-1] not in ("0", ""):
            found.append("unattended-upgrades")
    if system.find("needrestart"):
        found.append("needrestart")
    return found


def _running(system: System) -> list[str]:
    found = []
    for name in system.glob("/proc/[0-9]*/comm"):
        try:
            comm = system.read(name).strip()
        except Unreadable:
            continue  # it has ended meanwhile
        if comm in PROCESSES and not (comm == "unattended-upgr" and _waits_for_shutdown(system, name)):
            found.append(PROCESSES[comm])
    return found


def _waits_for_shutdown(system: System, comm: str) -> bool:
    """Ubuntu and Debian keep a process of that name at all times, which only acts when the machine goes down."""
    try:
        return "unattended-upgrade-shutdown" in system.read(comm[: -len("comm")] + "cmdline")
    except Unreadable:
        return True
