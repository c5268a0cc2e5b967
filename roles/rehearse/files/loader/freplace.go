// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
)

// loadTarget loads the program, of any object that is rehearsed, with the function that another program replaces
// (freplace). An ELF file names the function and not its program: the first, by name, that has it is taken.
func loadTarget(objects []object, function string) (*ebpf.Collection, *ebpf.Program, error) {
	for _, each := range objects {
		spec, err := readObject(each)
		if err != nil {
			continue // which is told where its turn is
		}
		for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
			program := spec.Programs[name]
			if program.Type != ebpf.Extension && hasFunction(program, function) {
				loaded, err := ebpf.NewCollection(only(spec, name, program.Copy()))
				if err != nil {
					return nil, nil, fmt.Errorf("%s of %s, one of whose functions it replaces: %w", name, each.Name, err)
				}
				return loaded, loaded.Programs[name], nil
			}
		}
	}
	return nil, nil, fmt.Errorf("it replaces the function %s (freplace), which no program of the objects has", function)
}

// hasFunction says whether a program has a function of this name beside its own.
func hasFunction(program *ebpf.ProgramSpec, function string) bool {
	for _, each := range program.Instructions[1:] {
		if each.Symbol() == function {
			return true
		}
	}
	return false
}
