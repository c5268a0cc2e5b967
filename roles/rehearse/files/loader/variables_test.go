// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// raw is the type information of these types as a file has it.
func raw(t *testing.T, types ...btf.Type) []byte {
	t.Helper()
	builder, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := builder.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func spec(t *testing.T, types ...btf.Type) *btf.Spec {
	t.Helper()
	made, err := btf.LoadSpecFromReader(strings.NewReader(string(raw(t, types...))))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// every has a type of each kind whose size matters, and behind them a variable.
func every() []btf.Type {
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	rq := &btf.Struct{Name: "rq", Size: 4, Members: []btf.Member{{Name: "nr", Type: number}}}
	function := &btf.FuncProto{Return: number, Params: []btf.FuncParam{{Name: "a", Type: number}}}
	return []btf.Type{
		number, &btf.Pointer{Target: number}, &btf.Array{Index: number, Type: number, Nelems: 2}, rq,
		&btf.Union{Name: "u", Size: 4, Members: []btf.Member{{Name: "nr", Type: number}}},
		&btf.Enum{Name: "e", Size: 4, Values: []btf.EnumValue{{Name: "A", Value: 1}, {Name: "B", Value: 2}}},
		&btf.Enum{Name: "e64", Size: 8, Values: []btf.EnumValue{{Name: "C", Value: 1}}},
		&btf.Typedef{Name: "t", Type: number}, &btf.Const{Type: number}, &btf.Float{Name: "f", Size: 8},
		&btf.Func{Name: "fn", Type: function, Linkage: btf.GlobalFunc},
		&btf.Datasec{Name: ".data", Size: 4, Vars: []btf.VarSecinfo{{Type: &btf.Var{Name: "v", Type: number}, Size: 4}}},
		&btf.Var{Name: "runqueues", Type: rq, Linkage: btf.ExternVar},
	}
}

func TestVariablesAreMadeVoidAndNothingElse(t *testing.T) {
	data := raw(t, every()...)
	before, err := btf.LoadSpecFromReader(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	var variable *btf.Var
	if err := before.TypeByName("runqueues", &variable); err != nil {
		t.Fatal(err)
	}
	id, err := before.TypeID(variable)
	if err != nil {
		t.Fatal(err)
	}
	if err := makeVoid(data, binary.LittleEndian, map[btf.TypeID]bool{id: true}); err != nil {
		t.Fatal(err)
	}
	after, err := btf.LoadSpecFromReader(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"runqueues": "*btf.Void", "v": "*btf.Int"} {
		if err := after.TypeByName(name, &variable); err != nil {
			t.Fatal(err)
		}
		if _, void := variable.Type.(*btf.Void); void != (want == "*btf.Void") {
			t.Errorf("%s has the type %v, not %s", name, variable.Type, want)
		}
	}
}

func TestTypeInformationThatIsDamaged(t *testing.T) {
	data := raw(t, every()...)
	if err := makeVoid(data[:20], binary.LittleEndian, nil); err == nil {
		t.Error("a header that is cut off")
	}
	if err := makeVoid(data[:40], binary.LittleEndian, nil); err == nil {
		t.Error("types that are cut off")
	}
	binary.LittleEndian.PutUint32(data[24+4:], 31<<24)
	if err := makeVoid(data, binary.LittleEndian, nil); err == nil || !strings.Contains(err.Error(), "kind 31") {
		t.Errorf("a kind that there is not: %v", err)
	}
}
