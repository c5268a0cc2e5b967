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

const (
	// Instructions that are looked at behind the load of an address for what is done with it.
	window = 32
	// Bytes that an instruction can have as its constant.
	inlined = 8
)

// inlineConfiguration does what Cilium's loader does up to 1.16: it takes the address of a constant, as the compiler
// has left it, for a place where the constant itself belongs. Later versions read the constants from the map, as any
// program reads its data; there the address is used as one, and nothing is done.
func inlineConfiguration(spec *ebpf.CollectionSpec) error {
	data := spec.Maps[configuration]
	if data == nil || !isInlined(spec, data) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		program := spec.Programs[name]
		for i, instruction := range program.Instructions {
			if !isAddress(instruction) {
				continue
			}
			value, err := constantAt(spec, data, offset(instruction))
			if err != nil {
				return err
			}
			constant := asm.LoadImm(instruction.Dst, value, asm.DWord)
			constant.Metadata = instruction.Metadata // the name of a function, if it begins here
			program.Instructions[i] = constant
		}
	}
	delete(spec.Maps, configuration)
	return nil
}

// isInlined says whether the addresses of the configuration stand for its constants, which are static then. They do not
// where any of these is volatile, which says that it is read where it lies, or does not fit into an instruction; nor
// where any is read.
func isInlined(spec *ebpf.CollectionSpec, data *ebpf.MapSpec) bool {
	found := false
	for _, program := range spec.Programs {
		for _, instruction := range program.Instructions {
			if !isAddress(instruction) {
				continue
			}
			if each := variableAt(data, offset(instruction)); each != nil && (each.Size > inlined || !isStatic(each.Type)) {
				return false
			}
			found = true
		}
	}
	return found && !isRead(spec)
}

// isStatic says whether a variable is one of its file alone, and not volatile: that qualifier may stand on either side of
// const and of the type's own name.
func isStatic(kind btf.Type) bool {
	for {
		switch each := kind.(type) {
		case *btf.Volatile:
			return false
		case *btf.Var:
			if each.Linkage != btf.StaticVar {
				return false
			}
			kind = each.Type
		case *btf.Const:
			kind = each.Type
		case *btf.Typedef:
			kind = each.Type
		default:
			return true
		}
	}
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

// variableAt returns the constant that begins at an offset, as the section's type information cuts it up; nil when there
// is none, or no such information.
func variableAt(data *ebpf.MapSpec, offset uint32) *btf.VarSecinfo {
	section, ok := data.Value.(*btf.Datasec)
	if !ok {
		return nil
	}
	for i := range section.Vars {
		if section.Vars[i].Offset == offset {
			return &section.Vars[i]
		}
	}
	return nil
}

// constantAt returns the value of the constant that begins at an offset.
func constantAt(spec *ebpf.CollectionSpec, data *ebpf.MapSpec, offset uint32) (int64, error) {
	if _, ok := data.Value.(*btf.Datasec); !ok {
		return 0, fmt.Errorf("%s has no type information", data.Name)
	}
	found := variableAt(data, offset)
	if found == nil {
		return 0, fmt.Errorf("%s has no constant at %d", data.Name, offset)
	}
	content, err := contentOf(data)
	if err != nil {
		return 0, err
	}
	end := uint64(found.Offset) + uint64(found.Size)
	if end > uint64(len(content)) {
		return 0, fmt.Errorf("%s is truncated: it has %d bytes, and the constant at %d ends at %d", data.Name, len(content), offset, end)
	}
	var bytes [inlined]byte
	copy(bytes[:], content[found.Offset:end])
	return int64(spec.ByteOrder.Uint64(bytes[:])), nil
}

// contentOf returns the bytes of a section of data.
func contentOf(data *ebpf.MapSpec) ([]byte, error) {
	if len(data.Contents) == 1 {
		if content, ok := data.Contents[0].Value.([]byte); ok {
			return content, nil
		}
	}
	return nil, fmt.Errorf("%s has no content", data.Name)
}
