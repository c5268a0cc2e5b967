// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Where Cilium keeps the constants of an endpoint or a device.
const configuration = ".rodata.config"

// Instructions that are looked at behind the load of an address for what is done with it.
const window = 32

// inlineConfiguration does what Cilium's loader does in 1.15: it takes the address of a constant, as the compiler
// has left it, for a place where the constant itself belongs. Later versions read the constants from the map, as any
// program reads its data; there the address is used as one, and nothing is done.
func inlineConfiguration(spec *ebpf.CollectionSpec) error {
	data := spec.Maps[configuration]
	if data == nil || isRead(spec) {
		return nil
	}
	values, err := constants(spec, data)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		program := spec.Programs[name]
		for i, instruction := range program.Instructions {
			if !isAddress(instruction) {
				continue
			}
			value, known := values[offset(instruction)]
			if !known {
				return fmt.Errorf("%s has no constant at %d", configuration, offset(instruction))
			}
			constant := asm.LoadImm(instruction.Dst, value, asm.DWord)
			constant.Metadata = instruction.Metadata // the name of a function, if it begins here
			program.Instructions[i] = constant
		}
	}
	delete(spec.Maps, configuration)
	return nil
}

// isRead says whether any program reads through an address of the configuration.
func isRead(spec *ebpf.CollectionSpec) bool {
	for _, program := range spec.Programs {
		for i, instruction := range program.Instructions {
			if isAddress(instruction) && readsThrough(program.Instructions[i+1:], instruction.Dst) {
				return true
			}
		}
	}
	return false
}

// readsThrough says whether the instructions read from where a register points to, before it holds something else.
func readsThrough(instructions asm.Instructions, register asm.Register) bool {
	for _, each := range instructions[:min(window, len(instructions))] {
		class := each.OpCode.Class()
		if class == asm.LdXClass && each.Src == register {
			return true
		}
		if class.IsJump() || ((class.IsLoad() || class.IsALU()) && each.Dst == register) {
			return false
		}
	}
	return false
}

func isAddress(instruction asm.Instruction) bool {
	return instruction.IsLoadFromMap() && instruction.Src == asm.PseudoMapValue && instruction.Reference() == configuration
}

// offset of the constant within the section: the upper half of the instruction's 64 bits.
func offset(instruction asm.Instruction) uint32 {
	return uint32(uint64(instruction.Constant) >> 32)
}

// constants returns the values by their offsets, as the section's type information cuts it up.
func constants(spec *ebpf.CollectionSpec, data *ebpf.MapSpec) (map[uint32]int64, error) {
	section, ok := data.Value.(*btf.Datasec)
	if !ok || len(data.Contents) != 1 {
		return nil, fmt.Errorf("%s has no type information", configuration)
	}
	content, ok := data.Contents[0].Value.([]byte)
	if !ok {
		return nil, fmt.Errorf("%s has no content", configuration)
	}
	values := map[uint32]int64{}
	for _, each := range section.Vars {
		var bytes [8]byte
		if each.Size > 8 || int(each.Offset)+int(each.Size) > len(content) {
			return nil, fmt.Errorf("%s: the constant at %d has %d bytes", configuration, each.Offset, each.Size)
		}
		copy(bytes[:], content[each.Offset:each.Offset+each.Size])
		values[each.Offset] = int64(spec.ByteOrder.Uint64(bytes[:]))
	}
	return values, nil
}
