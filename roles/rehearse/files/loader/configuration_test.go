// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// configured is an object with two constants, 8 bytes with 7 and 4 bytes with 9, and one program.
func configured(instructions ...asm.Instruction) *ebpf.CollectionSpec {
	content := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, 7), 9)
	section := &btf.Datasec{Name: configuration, Size: 12, Vars: []btf.VarSecinfo{{Offset: 0, Size: 8}, {Offset: 8, Size: 4}}}
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			configuration: {Name: configuration, Value: section, Contents: []ebpf.MapKV{{Key: uint32(0), Value: content}}},
		},
		Programs:  map[string]*ebpf.ProgramSpec{"a": {Name: "a", Instructions: instructions}},
		ByteOrder: binary.LittleEndian,
	}
}

func address(register asm.Register, offset uint32) asm.Instruction {
	return asm.LoadMapValue(register, 0, offset).WithReference(configuration)
}

func TestConstantsAreInlined(t *testing.T) {
	spec := configured(address(asm.R1, 0).WithSymbol("a"), address(asm.R2, 8), asm.Return())
	if err := inlineConfiguration(spec); err != nil {
		t.Fatal(err)
	}
	made := spec.Programs["a"].Instructions
	if made[0].Constant != 7 || made[1].Constant != 9 || made[0].IsLoadFromMap() || made[1].Dst != asm.R2 {
		t.Errorf("%v", made)
	}
	if made[0].Symbol() != "a" {
		t.Error("the name of the function that begins there is lost")
	}
	if spec.Maps[configuration] != nil {
		t.Error("nothing reads the map any more, and it is still there")
	}
}

func TestConstantsThatAreReadStayInTheMap(t *testing.T) {
	spec := configured(address(asm.R1, 0), asm.LoadMem(asm.R0, asm.R1, 0, asm.DWord), asm.Return())
	if err := inlineConfiguration(spec); err != nil {
		t.Fatal(err)
	}
	if spec.Maps[configuration] == nil || !spec.Programs["a"].Instructions[0].IsLoadFromMap() {
		t.Error("the address of a constant is used as one, and was replaced")
	}
}

func TestWhatIsNoConstantIsAnError(t *testing.T) {
	spec := configured(address(asm.R1, 4), asm.Return())
	if err := inlineConfiguration(spec); err == nil || !strings.Contains(err.Error(), "no constant at 4") {
		t.Errorf("%v", err)
	}
	spec = configured(asm.Return())
	spec.Maps[configuration].Value = nil
	if err := inlineConfiguration(spec); err == nil || !strings.Contains(err.Error(), "no type information") {
		t.Errorf("%v", err)
	}
	spec = configured(asm.Return())
	spec.Maps[configuration].Value.(*btf.Datasec).Vars[1].Size = 16
	if err := inlineConfiguration(spec); err == nil || !strings.Contains(err.Error(), "has 16 bytes") {
		t.Errorf("%v", err)
	}
}

func TestReadsThrough(t *testing.T) {
	read := asm.LoadMem(asm.R0, asm.R1, 0, asm.Word)
	var far asm.Instructions
	for range window {
		far = append(far, asm.Mov.Imm(asm.R5, 1))
	}
	for _, each := range []struct {
		what         string
		instructions asm.Instructions
		want         bool
	}{
		{"at once", asm.Instructions{read}, true},
		{"after something else", asm.Instructions{asm.Mov.Imm(asm.R2, 1), read}, true},
		{"through another register", asm.Instructions{asm.LoadMem(asm.R0, asm.R2, 0, asm.Word)}, false},
		{"after the register was changed", asm.Instructions{asm.Add.Imm(asm.R1, 8), read}, false},
		{"after a jump", asm.Instructions{asm.JEq.Imm(asm.R2, 0, "out"), read}, false},
		{"too far away", append(far, read), false},
		{"never", nil, false},
	} {
		if got := readsThrough(each.instructions, asm.R1); got != each.want {
			t.Errorf("%s: %v", each.what, got)
		}
	}
}
