// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

func TestHowAnOptionIsWrittenThatIsNotSet(t *testing.T) {
	for _, each := range []struct {
		kind btf.Type
		want string
	}{
		{&btf.Int{Size: 4, Encoding: btf.Unsigned}, "0"},
		{&btf.Int{Size: 1, Encoding: btf.Bool}, "n"},
		{&btf.Array{Nelems: 8, Type: &btf.Int{Size: 1}}, `""`},
		{&btf.Enum{Name: "libbpf_tristate"}, "n"},
	} {
		if got := none(each.kind); got != each.want {
			t.Errorf("%v: %s, not %s", each.kind, got, each.want)
		}
	}
}

func TestOptionsThatTheKernelDoesNotSet(t *testing.T) {
	others := map[string]string{"CONFIG_HZ": "0", "CONFIG_NEW": "n", "CONFIG_ALSO": `""`, "CONFIG_FIRST": "n"}
	own := "CONFIG_FIRST=y\n# CONFIG_NEW is not set\nCONFIG_HZ=250\n"
	for range 20 { // a map's order differs from one time to the next
		if got, want := withOthers(own, others), own+"CONFIG_ALSO=\"\"\nCONFIG_NEW=n\n"; got != want {
			t.Fatalf("%q, not %q", got, want)
		}
	}
}

func TestAnObjectThatAsksForNoOptions(t *testing.T) {
	if err := prepareKconfig(&ebpf.CollectionSpec{}, nil); err != nil {
		t.Error(err)
	}
}

func TestVariablesOfOptionsGetPlainTypes(t *testing.T) {
	plain := &btf.Int{Name: "unsigned int", Size: 4}
	version := &btf.Var{Name: "LINUX_KERNEL_VERSION", Type: &btf.Typedef{Name: "__u32", Type: plain}}
	types := spec(t, &btf.Datasec{Name: ".kconfig", Size: 4, Vars: []btf.VarSecinfo{{Type: version, Size: 4}}})
	if err := prepareKconfig(&ebpf.CollectionSpec{Types: types}, nil); err != nil {
		t.Fatal(err)
	}
	var section *btf.Datasec
	if err := types.TypeByName(".kconfig", &section); err != nil {
		t.Fatal(err)
	}
	if _, ok := section.Vars[0].Type.(*btf.Var).Type.(*btf.Int); !ok {
		t.Errorf("%v", section.Vars[0].Type)
	}
}
