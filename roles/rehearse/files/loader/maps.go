// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
)

// Entries of a map that is sized by need and not by meaning: the verifier never looks at how many there may be.
const entries = 256

// configure puts in what the agent would, and takes out what would reach beyond the guest.
func configure(spec *ebpf.CollectionSpec, o object) error {
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		each := spec.Maps[name]
		// The field's bytes behind those that libbpf knows: Cilium's own loader reads them, and the library insists.
		if each.Extra != nil {
			_, _ = io.Copy(io.Discard, each.Extra)
		}
		each.Pinning = ebpf.PinNone // Cilium has kinds of its own, and here is nothing to share with
		resize(each)
		if each.Type == ebpf.ProgramArray || each.Type == ebpf.ArrayOfMaps || each.Type == ebpf.HashOfMaps {
			each.Contents = nil // programs and maps that this one does not need
		}
		if each.InnerMap == nil && (each.Type == ebpf.ArrayOfMaps || each.Type == ebpf.HashOfMaps) {
			each.InnerMap = anyInner()
		}
		if each.InnerMap != nil {
			each.InnerMap.Pinning = ebpf.PinNone
			if each.InnerMap.Extra != nil {
				_, _ = io.Copy(io.Discard, each.InnerMap.Extra)
			}
		}
		if content, given := o.Contents[name]; given {
			if len(content) != int(each.ValueSize) {
				return fmt.Errorf("%s has %d bytes on the node, but %d in the object: they do not belong together", name, len(content), each.ValueSize)
			}
			each.Contents = []ebpf.MapKV{{Key: uint32(0), Value: content}}
		}
	}
	if err := enlargeAuxiliary(spec); err != nil {
		return err
	}
	return inlineConfiguration(spec)
}

// resize gives a map no more room than it needs here, and some where its agent decides that only when it loads it.
func resize(each *ebpf.MapSpec) {
	switch each.Type {
	case ebpf.Hash, ebpf.LRUHash, ebpf.PerCPUHash, ebpf.LRUCPUHash, ebpf.LPMTrie, ebpf.HashOfMaps, ebpf.SockHash,
		ebpf.DevMapHash, ebpf.StackTrace, ebpf.Queue, ebpf.Stack:
		each.MaxEntries = max(1, min(each.MaxEntries, entries))
	case ebpf.RingBuf, ebpf.UserRingbuf:
		each.MaxEntries = uint32(os.Getpagesize())
	case ebpf.Array, ebpf.PerCPUArray, ebpf.ProgramArray, ebpf.ArrayOfMaps, ebpf.CGroupArray, ebpf.DevMap, ebpf.SockMap,
		ebpf.CPUMap, ebpf.XSKMap, ebpf.ReusePortSockArray, ebpf.BloomFilter:
		each.MaxEntries = max(1, each.MaxEntries) // what lies within an array is looked at: no less than there is
	}
}

// anyInner stands for an inner map of which only its agent knows what it is like. A verifier asks whether a key is as
// long as the map's keys are, and whether what is done with a value stays within it: no key is shorter than this one's,
// and no value is longer.
func anyInner() *ebpf.MapSpec {
	return &ebpf.MapSpec{Type: ebpf.Hash, KeySize: 1, ValueSize: uint32(os.Getpagesize()), MaxEntries: 1}
}

// mapsOf returns those of an object's maps that a program refers to.
func mapsOf(spec *ebpf.CollectionSpec, program *ebpf.ProgramSpec) map[string]*ebpf.MapSpec {
	found := map[string]*ebpf.MapSpec{}
	for _, instruction := range program.Instructions {
		if name := instruction.Reference(); instruction.IsLoadFromMap() && name != "" && spec.Maps[name] != nil {
			found[name] = spec.Maps[name].Copy()
		}
	}
	return found
}

// firstMapRefused creates a program's maps one by one, to name the first, by name, that this kernel refuses; empty when
// it creates all of them.
func firstMapRefused(spec *ebpf.CollectionSpec) string {
	return firstRefused(spec, func(each *ebpf.MapSpec) error {
		created, err := ebpf.NewMap(each)
		if err == nil {
			created.Close()
		}
		return err
	})
}

func firstRefused(spec *ebpf.CollectionSpec, create func(*ebpf.MapSpec) error) string {
	for _, name := range slices.Sorted(maps.Keys(spec.Maps)) {
		each := spec.Maps[name]
		if err := create(each.Copy()); err != nil {
			return fmt.Sprintf("map %s (%s): %v", name, each.Type, err)
		}
	}
	return ""
}

// structRefused makes the struct of the kernel's that a program is a function of (struct_ops), empty; it says what this
// kernel has against it, or nothing.
func structRefused(spec *ebpf.CollectionSpec, program *ebpf.ProgramSpec) string {
	kind, _, found := strings.Cut(program.AttachTo, ":")
	if program.Type != ebpf.StructOps || !found {
		return ""
	}
	alone := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Types: spec.Types, ByteOrder: spec.ByteOrder}
	for name, each := range spec.Maps {
		if each.Type == ebpf.StructOpsMap && each.Value.TypeName() == kind {
			made := each.Copy()
			made.Contents = nil
			alone.Maps[name] = made
		}
	}
	return firstMapRefused(alone)
}
