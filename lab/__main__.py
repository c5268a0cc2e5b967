# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python3 -m lab``: a real Kubernetes cluster of three virtual machines on this machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from lab import bench, idle, ssh, story
from lab.artifacts import kubernetes
from lab.cluster import client, status
from lab.cluster.lifecycle import Lab
from lab.progress import say
from lab.topology import NODES, node


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["kubectl"]:  # all that follows is kubectl's, its options too
        lab = Lab()
        lab.kubectl.replace_process(given[1:])
    chosen = parser().parse_args(given)
    try:
        return int(chosen.command(Lab(), chosen) or 0)
    except KeyboardInterrupt:
        say("interrupted; `python3 -m lab down` stops what was started")
        return 130
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        say(f"failed: {error.args[0] if isinstance(error, KeyError) else error}")
        return 1


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python3 -m lab", description=__doc__)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: object, about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(command=run)
        return sub

    build = command("build", _build, "build all parts of the lab, without starting any of them")
    build.add_argument("what", choices=("control-plane", "all"), help="control-plane: only what tests without VMs need")
    command("up", _up, "start the lab (from its snapshot if there is one) and wait until all of it is ready")
    command("down", _down, "stop the lab; keep the snapshot, and everything that was built")
    command("status", _status, "show what is running; exit with 1 unless all of it is ready")
    command("wait", _wait, "wait until all of the running lab is ready, and report what is missing")
    reset = command("reset", _reset, "go back to the snapshot: kernel A, Cilium's first build, nothing upgraded")
    reset.add_argument("--cilium", type=int, choices=(1, 2), default=1, help="use this build of Cilium")
    cilium = command("cilium", _cilium, "roll out a build of Cilium and wait until every endpoint is ready")
    cilium.add_argument("build", type=int, choices=(1, 2), help="1: with the incident; 2: its fix")
    shell = command("ssh", _ssh, "run a command on a node, or a shell")
    shell.add_argument("node", choices=[each.name for each in NODES])
    shell.add_argument("words", nargs=argparse.REMAINDER, metavar="WORD", help="the command")
    asking = command("client", _client, "query the web Service once a second, and count")
    asking.add_argument("action", choices=("start", "stop"))
    command("friday", _friday, "play the story: an upgrade that stops at the canary, the fix, an upgrade that succeeds")
    command("idle", _idle, "measure how much CPU the running lab uses at rest")
    command("bench", _bench, "measure the lab at rest, and a Friday against a bare drain, upgrade, reboot and uncordon")
    command("kubectl", _unreachable, "kubectl as the cluster's administrator")
    return top


def _build(lab: Lab, chosen: argparse.Namespace) -> None:
    kubernetes.binary()
    if chosen.what == "all":
        lab.build()


def _up(lab: Lab, _: argparse.Namespace) -> None:
    lab.up()
    print("The lab is up. Next:\n  ansible-playbook -i inventories/lab playbooks/plan.yml")
    print("  ansible-playbook -i inventories/lab friday.yml\n  python3 -m lab status | ssh NODE | kubectl ... | down")


def _down(lab: Lab, _: argparse.Namespace) -> None:
    lab.down()


def _status(lab: Lab, _: argparse.Namespace) -> int:
    text, ready = status.report(lab)
    print(text)
    return 0 if ready else 1


def _wait(lab: Lab, _: argparse.Namespace) -> None:
    lab.wait()


def _reset(lab: Lab, chosen: argparse.Namespace) -> None:
    lab.reset(chosen.cilium)


def _cilium(lab: Lab, chosen: argparse.Namespace) -> None:
    lab.set_cilium(chosen.build)


def _ssh(lab: Lab, chosen: argparse.Namespace) -> None:
    command = ssh.command(node(chosen.node), lab.ports, *chosen.words)
    os.execvp(command[0], command)


def _client(lab: Lab, chosen: argparse.Namespace) -> None:
    if chosen.action == "start":
        client.start(lab)
        return
    print(json.dumps(client.stop(lab), indent=2))


def _friday(lab: Lab, _: argparse.Namespace) -> int:
    return story.main(lab)


def _idle(lab: Lab, _: argparse.Namespace) -> None:
    print("\n".join(idle.measure(lab)))


def _bench(lab: Lab, _: argparse.Namespace) -> int:
    return bench.run(lab)


def _unreachable(*_: object) -> None:
    raise AssertionError("kubectl is taken out of the arguments before they are parsed")


if __name__ == "__main__":
    sys.exit(main())
