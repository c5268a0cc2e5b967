// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// variable is one of the kernel's that an object names with its type: `extern const struct rq runqueues __ksym`.
type variable struct {
	kind btf.Type
	weak bool
}

// untype makes such variables ones without a type, in place: the library knows only those. It returns what they were.
func untype(data []byte, file *elf.File) (map[string]variable, error) {
	section := file.Section(".BTF")
	if section == nil || section.Offset+section.Size > uint64(len(data)) {
		return nil, nil
	}
	raw := data[section.Offset:][:section.Size]
	types, err := btf.LoadSpecFromReader(bytes.NewReader(slices.Clone(raw)))
	if err != nil {
		return nil, nil // the library says what is wrong with it
	}
	var kernels *btf.Datasec
	if types.TypeByName(".ksyms", &kernels) != nil {
		return nil, nil
	}
	typed, places := map[string]variable{}, map[btf.TypeID]bool{}
	weak := weakNames(file)
	for _, each := range kernels.Vars {
		one, ok := each.Type.(*btf.Var)
		if !ok {
			continue
		}
		id, err := types.TypeID(one)
		if err != nil {
			return nil, err
		}
		places[id] = true
		if _, void := btf.UnderlyingType(one.Type).(*btf.Void); !void {
			typed[one.Name] = variable{one.Type, weak[one.Name]}
		}
	}
	return typed, makeVoid(raw, file.ByteOrder, places)
}

func weakNames(file *elf.File) map[string]bool {
	found := map[string]bool{}
	symbols, _ := file.Symbols()
	for _, each := range symbols {
		found[each.Name] = elf.ST_BIND(each.Info) == elf.STB_WEAK
	}
	return found
}

// Bytes behind the three words that each type in a .BTF section begins with, by its kind, and for each of its members
// (https://docs.kernel.org/bpf/btf.html).
var btfSizes = map[uint32]struct{ own, each uint32 }{
	1: {4, 0}, 2: {}, 3: {12, 0}, 4: {0, 12}, 5: {0, 12}, 6: {0, 8}, 7: {}, 8: {}, 9: {}, 10: {}, 11: {}, 12: {},
	13: {0, 8}, 14: {4, 0}, 15: {0, 12}, 16: {}, 17: {4, 0}, 18: {}, 19: {0, 12},
}

// makeVoid sets the type that these types refer to to 0, which is void.
func makeVoid(raw []byte, order binary.ByteOrder, places map[btf.TypeID]bool) error {
	const header, words = 24, 12
	if len(raw) < header {
		return errors.New("its type information is truncated")
	}
	at := order.Uint32(raw[4:]) + order.Uint32(raw[8:])
	end := uint64(at) + uint64(order.Uint32(raw[12:]))
	if end > uint64(len(raw)) {
		return errors.New("its type information is truncated")
	}
	for id := btf.TypeID(1); uint64(at)+words <= end; id++ {
		info := order.Uint32(raw[at+4:])
		size, known := btfSizes[info>>24&0x1f]
		if !known {
			return fmt.Errorf("its type information has the unknown kind %d", info>>24&0x1f)
		}
		if places[id] {
			order.PutUint32(raw[at+8:], 0)
		}
		at += words + size.own + info&0xffff*size.each
	}
	return nil
}

// bindVariables has each instruction that loads the address of such a variable name it as libbpf does: by its number in
// the kernel's type information. It returns, by program, what this kernel has against that.
func bindVariables(spec *ebpf.CollectionSpec, variables map[string]variable) map[string]string {
	refused := map[string]string{}
	for name, program := range spec.Programs {
		for i, each := range program.Instructions {
			wanted, ok := variables[each.Reference()]
			if !ok || !each.OpCode.IsDWordLoad() || each.IsLoadFromMap() {
				continue
			}
			bound, err := bind(each, wanted)
			if err != nil {
				refused[name] = err.Error()
				break
			}
			program.Instructions[i] = bound
		}
	}
	return refused
}

// BPF_PSEUDO_BTF_ID of linux/bpf.h: the constant is the number of a variable's type.
const pseudoBTF asm.Register = 3

// bind returns the instruction with the kernel's number for a variable; with 0, which a program asks for, where there is
// none of a weak one.
func bind(instruction asm.Instruction, wanted variable) (asm.Instruction, error) {
	bound := asm.LoadImm(instruction.Dst, 0, asm.DWord).WithSource(instruction.Source())
	if function := btf.FuncMetadata(&instruction); function != nil {
		bound = btf.WithFuncMetadata(bound, function)
	}
	if symbol := instruction.Symbol(); symbol != "" {
		bound = bound.WithSymbol(symbol)
	}
	name := instruction.Reference()
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return bound, fmt.Errorf("kernel variable %s: %w", name, err)
	}
	var own *btf.Var
	if err := kernel.TypeByName(name, &own); errors.Is(err, btf.ErrNotFound) && wanted.weak {
		return bound, nil
	} else if err != nil {
		return bound, fmt.Errorf("kernel variable %s is not in its type information", name)
	}
	if err := btf.CheckTypeCompatibility(wanted.kind, own.Type); err != nil {
		return bound, fmt.Errorf("kernel variable %s has a different type: %w", name, err)
	}
	id, err := kernel.TypeID(own)
	if err != nil {
		return bound, err
	}
	bound.Src, bound.Constant = pseudoBTF, int64(id)
	return bound, nil
}
