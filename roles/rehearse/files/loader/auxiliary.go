// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Where Cilium, from 1.19 on, keeps what is too large for the stack, once for each processor, and what its agent has put
// in of that: how many bytes lie between those of two processors, and where the last one's begin.
const (
	auxiliary          = ".data.aux"
	auxiliaryConstants = ".rodata.aux"
	auxiliaryStride    = "_aux_stride"
	auxiliaryLast      = "_aux_max_off"
)

// Bytes that there may be of it: a page for each of 8192 processors, which is more than kernels are built for.
const auxiliaryMost = 32 << 20

// enlargeAuxiliary gives these variables the room that they have on the node. In the object they are there once, and an
// access to those of another processor would be out of bounds.
func enlargeAuxiliary(spec *ebpf.CollectionSpec) error {
	data, constants := spec.Maps[auxiliary], spec.Maps[auxiliaryConstants]
	if data == nil || constants == nil {
		return nil
	}
	stride, err := named(spec, constants, auxiliaryStride)
	if err != nil {
		return err
	}
	last, err := named(spec, constants, auxiliaryLast)
	if err != nil {
		return err
	}
	if stride > auxiliaryMost || last > auxiliaryMost-stride {
		return fmt.Errorf("%s is to have %d + %d bytes by what the node has in %s; at most %d allowed", auxiliary, last, stride, auxiliaryConstants, auxiliaryMost)
	}
	if size := last + stride; size > uint64(data.ValueSize) {
		data.Key, data.Value = nil, nil // they tell of the size that it has in the object
		data.ValueSize = uint32(size)
		data.Contents = []ebpf.MapKV{{Key: uint32(0), Value: make([]byte, size)}}
	}
	return nil
}

// named returns the value of a section's variable; 0 without one.
func named(spec *ebpf.CollectionSpec, section *ebpf.MapSpec, name string) (uint64, error) {
	variables, ok := section.Value.(*btf.Datasec)
	if !ok {
		return 0, nil
	}
	for _, each := range variables.Vars {
		if variable, ok := each.Type.(*btf.Var); ok && variable.Name == name {
			value, err := constantAt(spec, section, each.Offset)
			return uint64(value), err
		}
	}
	return 0, nil
}
