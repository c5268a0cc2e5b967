// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import "testing"

func TestWhereTheNextChildBegins(t *testing.T) {
	began := place{3, 4}
	for _, each := range []struct {
		what string
		last line
		want place
	}{
		{"it said nothing", line{}, place{4, 0}},
		{"it fell over an object", line{Kind: kindObject, place: place{5, 0}}, place{6, 0}},
		{"it fell over a program", line{Kind: kindBegin, place: place{5, 2}}, place{5, 3}},
		{"it fell between two", line{Kind: kindProgram, place: place{5, 2}}, place{5, 3}},
	} {
		if got := behind(each.last, began); got != each.want {
			t.Errorf("%s: %v, not %v", each.what, got, each.want)
		}
	}
}

func TestFilesOfSysctls(t *testing.T) {
	for name, want := range map[string]string{
		"net.core.bpf_jit_harden": "/proc/sys/net/core/bpf_jit_harden",
		"kernel/kptr_restrict":    "/proc/sys/kernel/kptr_restrict",
		"../../etc/passwd":        "/proc/sys/etc/passwd",
	} {
		if got := sysctlPath(name); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
}
