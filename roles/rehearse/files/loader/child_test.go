// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

func programs(types map[string]ebpf.ProgramType) *collection {
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{}, Maps: map[string]*ebpf.MapSpec{}}
	for name, kind := range types {
		spec.Programs[name] = &ebpf.ProgramSpec{Name: name, Type: kind}
	}
	return &collection{spec, nil}
}

func TestLastLines(t *testing.T) {
	short := []string{"0: R1=ctx()", "invalid mem access 'scalar'"}
	if lines, truncated := lastLines(short, syscall.EACCES); truncated || !slices.Equal(lines, short) {
		t.Errorf("a log that is whole: %q, %v", lines, truncated)
	}
	if _, truncated := lastLines(short, fmt.Errorf("load program: %w", syscall.ENOSPC)); !truncated {
		t.Error("the kernel had no room for the rest, and it is not said")
	}
	var long []string
	for number := range logLines + 2 {
		long = append(long, fmt.Sprint(number))
	}
	lines, truncated := lastLines(long, errors.New("refused"))
	if !truncated || len(lines) != logLines || lines[0] != "2" || lines[logLines-1] != fmt.Sprint(logLines+1) {
		t.Errorf("a long log: %q, %v", lines, truncated)
	}
	if lines, truncated := lastLines(nil, syscall.EINVAL); truncated || len(lines) != 0 {
		t.Errorf("no log: %q, %v", lines, truncated)
	}
}

func TestAssumedType(t *testing.T) {
	for _, each := range []struct {
		types map[string]ebpf.ProgramType
		want  ebpf.ProgramType
	}{
		{map[string]ebpf.ProgramType{"tail": ebpf.UnspecifiedProgram}, ebpf.SchedCLS},
		{map[string]ebpf.ProgramType{"tail": ebpf.UnspecifiedProgram, "xdp": ebpf.XDP}, ebpf.XDP},
		{map[string]ebpf.ProgramType{"act": ebpf.SchedACT, "xdp": ebpf.XDP}, ebpf.SchedCLS},
		{map[string]ebpf.ProgramType{"tail": ebpf.UnspecifiedProgram, "probe": ebpf.Kprobe}, ebpf.SchedCLS},
	} {
		if got := assumedType(programs(each.types)); got != each.want {
			t.Errorf("%v: %v, not %v", each.types, got, each.want)
		}
	}
}

func TestOnlyTheProgramAndItsMaps(t *testing.T) {
	spec := programs(map[string]ebpf.ProgramType{"a": ebpf.XDP, "b": ebpf.XDP})
	spec.Maps["used"] = &ebpf.MapSpec{Name: "used", Type: ebpf.Hash}
	spec.Maps["other"] = &ebpf.MapSpec{Name: "other", Type: ebpf.Hash}
	spec.Programs["a"].Instructions = asm.Instructions{asm.LoadMapPtr(asm.R1, 0).WithReference("used"), asm.Return()}
	alone := only(spec, "a", spec.Programs["a"])
	if len(alone.Programs) != 1 || alone.Programs["a"] == nil {
		t.Errorf("programs: %v", alone.Programs)
	}
	if len(alone.Maps) != 1 || alone.Maps["used"] == nil || alone.Maps["used"] == spec.Maps["used"] {
		t.Errorf("maps: %v", alone.Maps)
	}
}
