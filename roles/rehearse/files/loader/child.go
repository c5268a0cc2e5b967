// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"
)

// Lines of the verifier's log that are passed on: the reason is in the last ones.
const logLines = 30

// runChild loads everything from a place on, and writes the report to standard output.
func runChild(begin place) {
	// Up to Linux 5.10 maps and programs count against the limit of locked memory.
	if err := rlimit.RemoveMemlock(); err != nil {
		fail(err)
	}
	read, err := readManifest()
	if err != nil {
		fail(err)
	}
	types := btf.NewCache()
	for number := begin.Object; number < len(read.Objects); number++ {
		first := 0
		if number == begin.Object {
			first = begin.Program
		}
		loadObject(read.Objects, place{number, first}, types)
	}
}

// loadObject loads each program of an object by itself, so that one that is refused says nothing of the others.
func loadObject(objects []object, at place, types *btf.Cache) {
	o := objects[at.Object]
	read := line{Kind: kindObject, place: at, Object: o.Name}
	write(os.Stdout, line{Kind: kindObject, place: at, Object: o.Name, Error: "reading"})
	spec, err := readObject(o)
	if err != nil {
		read.Error = err.Error()
		write(os.Stdout, read)
		for number, name := range functionsOf(o) {
			unread := line{Kind: kindProgram, place: place{at.Object, number}, Object: o.Name, Program: name}
			unread.Outcome, unread.Error = outcomeUnsupported, "its object could not be read: "+read.Error
			write(os.Stdout, unread)
		}
		return
	}
	read.Programs = slices.Sorted(maps.Keys(spec.Programs))
	write(os.Stdout, read)
	for number := at.Program; number < len(read.Programs); number++ {
		name := read.Programs[number]
		here := place{at.Object, number}
		write(os.Stdout, line{Kind: kindBegin, place: here, Object: o.Name, Program: name})
		result := loadProgram(objects, spec, name, types)
		result.Kind, result.place, result.Object, result.Program = kindProgram, here, o.Name, name
		write(os.Stdout, result)
	}
}

// loadProgram loads one program with the maps that it refers to, and takes it away again. objects are all there are: one
// of them may have what this program is a part of.
func loadProgram(objects []object, spec *collection, name string, types *btf.Cache) line {
	program := spec.Programs[name].Copy()
	assumed := program.Type == ebpf.UnspecifiedProgram
	if assumed {
		program.Type = assumedType(spec)
	}
	result := line{Type: program.Type.String(), Section: program.SectionName, Assumed: assumed}
	if why := spec.refused[name]; why != "" {
		result.Outcome, result.Error = outcomeRefused, why
		return result
	}
	if program.Type == ebpf.Extension {
		holder, target, err := loadTarget(objects, program.AttachTo)
		if err != nil {
			result.Outcome, result.Error = outcomeUnsupported, err.Error()
			return result
		}
		defer holder.Close()
		program.AttachTarget = target
	}
	began := time.Now()
	alone := only(spec, name, program)
	loaded, err := ebpf.NewCollectionWithOptions(alone, ebpf.CollectionOptions{
		Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats},
		Cache:    types,
	})
	result.Seconds = time.Since(began).Seconds()
	if err == nil {
		made := loaded.Programs[name]
		result.Outcome, result.Stats = outcomeLoaded, stats(made.VerifierLog)
		if info, err := made.Info(); err == nil {
			result.Tag = info.Tag
		}
		loaded.Close()
		if refused := structRefused(spec.CollectionSpec, program); refused != "" {
			result.Outcome, result.Error = outcomeMap, refused
		}
		return result
	}
	result.Outcome, result.Error = outcomeRefused, err.Error()
	var number syscall.Errno
	if errors.As(err, &number) {
		result.Errno = int(number)
	}
	var verdict *ebpf.VerifierError
	if errors.As(err, &verdict) {
		result.Stats = stats(strings.Join(verdict.Log, "\n"))
		result.Log, result.Truncated = lastLines(verdict.Log, err)
		result.Error = fmt.Sprintf("%v", err)
	} else if refused := firstMapRefused(alone); refused != "" {
		result.Outcome, result.Error = outcomeMap, refused
	}
	return result
}

// lastLines returns the lines of a verifier's log that are passed on, and whether any are missing: those before them, or
// those for which the kernel had no room.
func lastLines(log []string, err error) (lines []string, truncated bool) {
	first := max(len(log)-logLines, 0)
	return log[first:], first > 0 || errors.Is(err, syscall.ENOSPC)
}

// only returns the collection of one program and the maps that it refers to.
func only(spec *collection, name string, program *ebpf.ProgramSpec) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Programs:  map[string]*ebpf.ProgramSpec{name: program},
		Maps:      mapsOf(spec.CollectionSpec, program),
		Variables: map[string]*ebpf.VariableSpec{},
		Types:     spec.Types,
		ByteOrder: spec.ByteOrder,
	}
}

// assumedType is that of programs in sections that say nothing of a type, as Cilium's tail calls are up to 1.15: its
// loader takes them for what the others of the object are.
func assumedType(spec *collection) ebpf.ProgramType {
	found := ebpf.SchedCLS
	for _, each := range spec.Programs {
		switch each.Type {
		case ebpf.SchedCLS, ebpf.SchedACT:
			return ebpf.SchedCLS
		case ebpf.XDP:
			found = ebpf.XDP
		}
	}
	return found
}
