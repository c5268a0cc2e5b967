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

// bytesOf is a type of a size that no integer has: an array of bytes, as an address is one.
func bytesOf(size uint32) btf.Type {
	return &btf.Array{Type: &btf.Int{Name: "char", Size: 1}, Nelems: size}
}

// constant is one of a file alone, as Cilium has them up to 1.16.
func constant(name string, size uint32) *btf.Var {
	return &btf.Var{Name: name, Type: &btf.Const{Type: bytesOf(size)}, Linkage: btf.StaticVar}
}

// section has these variables one behind the other, with nothing between.
func section(variables ...*btf.Var) *btf.Datasec {
	made := &btf.Datasec{Name: configuration}
	for _, each := range variables {
		size, _ := btf.Sizeof(each.Type)
		made.Vars = append(made.Vars, btf.VarSecinfo{Type: each, Offset: made.Size, Size: uint32(size)})
		made.Size += uint32(size)
	}
	return made
}

// configured is an object with two constants, 8 bytes with 7 and 4 bytes with 9, and one program.
func configured(instructions ...asm.Instruction) *ebpf.CollectionSpec {
	content := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, 7), 9)
	return of(section(constant("a", 8), constant("b", 4)), content, instructions...)
}

// of is an object with this configuration, and one program.
func of(variables *btf.Datasec, content []byte, instructions ...asm.Instruction) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{configuration: {
			Name: configuration, Value: variables, ValueSize: variables.Size, MaxEntries: 1, Type: ebpf.Array,
			Contents: []ebpf.MapKV{{Key: uint32(0), Value: content}},
		}},
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
	spec = configured(address(asm.R1, 0), asm.Return())
	spec.Maps[configuration].Value = nil
	if err := inlineConfiguration(spec); err == nil || !strings.Contains(err.Error(), "no type information") {
		t.Errorf("%v", err)
	}
	spec = configured(address(asm.R1, 0), asm.Return())
	spec.Maps[configuration].Contents = nil
	if err := inlineConfiguration(spec); err == nil || !strings.Contains(err.Error(), "no content") {
		t.Errorf("%v", err)
	}
}

func TestAConfigurationThatIsTruncated(t *testing.T) {
	variables := section(constant("a", 8), constant("b", 4))
	spec := of(variables, make([]byte, 10), address(asm.R1, 8), asm.Return())
	want := ".rodata.config is truncated: it has 10 bytes, and the constant at 8 ends at 12"
	if err := inlineConfiguration(spec); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestConstantsOfEachSizeAreInlinedWhereverTheyLie(t *testing.T) {
	content := []byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 1, 2, 3}
	for size := uint32(1); size <= inlined; size++ {
		for before := uint32(0); before < 4; before++ {
			spec := of(section(constant("other", before), constant("a", size)), content, address(asm.R3, before), asm.Return())
			if before == 0 {
				spec = of(section(constant("a", size)), content, address(asm.R3, 0), asm.Return())
			}
			if err := inlineConfiguration(spec); err != nil {
				t.Fatal(err)
			}
			var want uint64
			for i := range size {
				want |= uint64(content[before+i]) << (8 * i)
			}
			if made := spec.Programs["a"].Instructions[0]; uint64(made.Constant) != want || made.IsLoadFromMap() {
				t.Errorf("%d bytes at %d: %#x, not %#x", size, before, uint64(made.Constant), want)
			}
		}
	}
}

func TestConstantsThatNothingRefersToAreOfAnySize(t *testing.T) {
	content := make([]byte, 2048)
	for _, size := range []uint32{0, 3, 6, 9, 16, 17, 40, 1024} {
		for _, instructions := range [][]asm.Instruction{
			{asm.Return()}, {address(asm.R1, size), asm.Return()},
		} {
			spec := of(section(constant("large", size), constant("b", 4)), content, instructions...)
			if err := inlineConfiguration(spec); err != nil {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
	}
}

func TestConstantsThatLieInTheMap(t *testing.T) {
	number := &btf.Int{Name: "__u32", Size: 4}
	global := func(kind btf.Type) *btf.Var { return &btf.Var{Name: "a", Type: kind, Linkage: btf.GlobalVar} }
	for what, variable := range map[string]*btf.Var{
		"const volatile":          {Name: "a", Type: &btf.Const{Type: &btf.Volatile{Type: number}}, Linkage: btf.StaticVar},
		"volatile const":          {Name: "a", Type: &btf.Volatile{Type: &btf.Const{Type: number}}, Linkage: btf.StaticVar},
		"a type that is volatile": {Name: "a", Type: &btf.Typedef{Name: "t", Type: &btf.Volatile{Type: number}}, Linkage: btf.StaticVar},
		"of all files":            global(&btf.Const{Type: number}),
		"an address of 16 bytes":  constant("a", 16),
		"a struct of 12 bytes": {Name: "a", Linkage: btf.StaticVar, Type: &btf.Const{Type: &btf.Struct{
			Name: "s", Size: 12, Members: []btf.Member{{Name: "a", Type: number}, {Name: "b", Type: bytesOf(8)}},
		}}},
		"a MAC address in a union, of all files": global(&btf.Union{Name: "macaddr", Size: 6}),
	} {
		// What is done with it comes behind a jump, where it is not looked for.
		spec := of(section(variable), make([]byte, 16), address(asm.R1, 0), asm.Ja.Label("on"),
			asm.LoadMem(asm.R0, asm.R1, 0, asm.Word).WithSymbol("on"), asm.Return())
		if err := inlineConfiguration(spec); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if spec.Maps[configuration] == nil || !spec.Programs["a"].Instructions[0].IsLoadFromMap() {
			t.Errorf("%s: its address was replaced", what)
		}
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
