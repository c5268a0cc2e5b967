// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

func TestFunctionsBesideAProgramsOwn(t *testing.T) {
	program := &ebpf.ProgramSpec{Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 0).WithSymbol("entry"), asm.Return(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("helper"), asm.Return(),
	}}
	for name, want := range map[string]bool{"helper": true, "entry": false, "other": false} {
		if got := hasFunction(program, name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAFunctionThatNoObjectHas(t *testing.T) {
	_, _, err := loadTarget([]object{{Name: "gone.o", File: "/nonexistent"}}, "helper")
	if err == nil || !strings.Contains(err.Error(), "helper (freplace), which no program") {
		t.Error(err)
	}
}
