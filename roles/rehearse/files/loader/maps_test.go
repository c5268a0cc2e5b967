// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

func TestTheFirstMapThatIsRefusedIsTheFirstByName(t *testing.T) {
	spec := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}}
	for _, name := range []string{"zeta", "alpha", "middle", "beta", "omega"} {
		spec.Maps[name] = &ebpf.MapSpec{Name: name, Type: ebpf.RingBuf}
	}
	refuse := func(each *ebpf.MapSpec) error {
		if each.Name == "alpha" {
			return nil
		}
		return errors.New("invalid argument")
	}
	for range 50 { // a map's order differs from one time to the next
		if got, want := firstRefused(spec, refuse), "map beta (RingBuf): invalid argument"; got != want {
			t.Fatalf("%q, not %q", got, want)
		}
	}
	if got := firstRefused(spec, func(*ebpf.MapSpec) error { return nil }); got != "" {
		t.Errorf("%q, and none was refused", got)
	}
}

func TestTheMapThatDoesNotFitIsTheFirstByName(t *testing.T) {
	contents := map[string][]byte{"b": {1}, "a": {1}, "c": {1}}
	for range 50 {
		spec := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}}
		for name := range contents {
			spec.Maps[name] = &ebpf.MapSpec{Name: name, Type: ebpf.Array, ValueSize: 4}
		}
		err := configure(spec, object{Contents: contents})
		if err == nil || !strings.Contains(err.Error(), "a has 1 bytes on the node, but 4 in the object") {
			t.Fatal(err)
		}
	}
}

func TestRoomForMaps(t *testing.T) {
	page := uint32(os.Getpagesize())
	for _, each := range []struct {
		kind        ebpf.MapType
		given, want uint32
	}{
		{ebpf.Hash, 512000, entries},
		{ebpf.LRUHash, 0, 1},
		{ebpf.LPMTrie, 8, 8},
		{ebpf.RingBuf, 0, page},
		{ebpf.UserRingbuf, 64 << 20, page},
		{ebpf.Array, 65536, 65536},
		{ebpf.ProgramArray, 0, 1},
		{ebpf.PerfEventArray, 0, 0},
	} {
		made := &ebpf.MapSpec{Type: each.kind, MaxEntries: each.given}
		if resize(made); made.MaxEntries != each.want {
			t.Errorf("%v of %d: %d, not %d", each.kind, each.given, made.MaxEntries, each.want)
		}
	}
}

func TestWhatTheAgentPutsInAndWhatWouldReachBeyondTheGuest(t *testing.T) {
	spec := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{
		"data":  {Name: "data", Type: ebpf.Array, ValueSize: 2, Pinning: ebpf.PinByName},
		"calls": {Name: "calls", Type: ebpf.ProgramArray, Contents: []ebpf.MapKV{{Key: uint32(0), Value: "tail"}}},
		"outer": {Name: "outer", Type: ebpf.HashOfMaps},
	}}
	if err := configure(spec, object{Contents: map[string][]byte{"data": {1, 2}}}); err != nil {
		t.Fatal(err)
	}
	data, calls, outer := spec.Maps["data"], spec.Maps["calls"], spec.Maps["outer"]
	if data.Pinning != ebpf.PinNone || string(data.Contents[0].Value.([]byte)) != "\x01\x02" {
		t.Errorf("%v", data)
	}
	if calls.Contents != nil || outer.InnerMap == nil || outer.InnerMap.KeySize != 1 {
		t.Errorf("%v, %v", calls, outer)
	}
}

func TestMapsThatAProgramRefersTo(t *testing.T) {
	spec := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{"a": {Name: "a"}, "b": {Name: "b"}}}
	program := &ebpf.ProgramSpec{Instructions: asm.Instructions{
		asm.LoadMapPtr(asm.R1, 0).WithReference("a"),
		asm.LoadMapPtr(asm.R2, 0).WithReference("unknown"),
		asm.Mov.Imm(asm.R0, 0).WithReference("b"),
	}}
	if found := mapsOf(spec, program); len(found) != 1 || found["a"] == nil {
		t.Errorf("%v", found)
	}
}

func TestAProgramThatBelongsToNoStruct(t *testing.T) {
	maps := map[string]*ebpf.MapSpec{"other": {Type: ebpf.StructOpsMap, Value: &btf.Struct{Name: "tcp_congestion_ops"}}}
	for _, program := range []*ebpf.ProgramSpec{
		{Type: ebpf.XDP, AttachTo: "sched_ext_ops:init"},
		{Type: ebpf.StructOps, AttachTo: "no colon"},
		{Type: ebpf.StructOps, AttachTo: "sched_ext_ops:init"},
	} {
		if got := structRefused(&ebpf.CollectionSpec{Maps: maps}, program); got != "" {
			t.Errorf("%v: %q", program, got)
		}
	}
}
