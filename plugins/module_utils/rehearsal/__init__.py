# Copyright: Friday contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guest in which BPF programs are tried on a kernel: what goes in, how it is run, what it says."""
