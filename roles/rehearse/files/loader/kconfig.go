// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Where libraries look for a kernel's options, but for its release; not every kernel has /proc/config.gz.
const offeredConfig = "/boot/config-"

// prepareKconfig makes the variables that the kernel's options fill such as the library wants them, and has those that
// are weak not set where the kernel does not know them.
func prepareKconfig(spec *ebpf.CollectionSpec, weak []string) error {
	var section *btf.Datasec
	if spec.Types == nil || spec.Types.TypeByName(".kconfig", &section) != nil {
		return nil
	}
	unset := map[string]string{}
	for _, each := range section.Vars {
		variable, ok := each.Type.(*btf.Var)
		if !ok {
			continue
		}
		// A LINUX_KERNEL_VERSION that is a __u32 is what vmlinux.h makes of it, and the library wants an integer.
		variable.Type = btf.UnderlyingType(variable.Type)
		if slices.Contains(weak, variable.Name) {
			unset[variable.Name] = none(variable.Type)
		}
	}
	return offerConfig(unset)
}

// none is how an option of this type is written that is not set.
func none(kind btf.Type) string {
	switch typed := kind.(type) {
	case *btf.Int:
		if typed.Encoding != btf.Bool {
			return "0"
		}
	case *btf.Array:
		return `""`
	}
	return "n"
}

// offerConfig puts the kernel's options where libraries look for them, with these for want of the kernel's own. Without
// a file of options there is none to be found.
func offerConfig(others map[string]string) error {
	own, err := os.ReadFile(configPath)
	if os.IsNotExist(err) {
		return nil
	}
	release, _, _ := names()
	path := offeredConfig + release
	_ = os.MkdirAll(filepath.Dir(path), 0o755)
	return os.WriteFile(path, []byte(withOthers(string(own), others)), 0o644)
}

// withOthers returns a kernel's options with those of the others that it does not set, sorted.
func withOthers(own string, others map[string]string) string {
	text := strings.Builder{}
	text.WriteString(own)
	for _, name := range slices.Sorted(maps.Keys(others)) {
		if !strings.HasPrefix(own, name+"=") && !strings.Contains(own, "\n"+name+"=") {
			fmt.Fprintf(&text, "%s=%s\n", name, others[name])
		}
	}
	return text.String()
}
