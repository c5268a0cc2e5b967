// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// symbol of a file that is made here; section is a name, empty for one that is defined elsewhere.
type symbol struct {
	name    string
	section string
	kind    elf.SymType
	bind    elf.SymBind
}

// elfFile is a BPF object with the sections .text, tc and .maps, and these symbols.
func elfFile(t *testing.T, symbols ...symbol) []byte {
	t.Helper()
	sections := []string{"", ".text", "tc", ".maps", ".symtab", ".strtab"}
	names, table := []byte{0}, make([]byte, symbolSize)
	offsets := map[string]uint32{"": 0}
	add := func(name string) uint32 {
		if _, known := offsets[name]; !known {
			offsets[name] = uint32(len(names))
			names = append(append(names, name...), 0)
		}
		return offsets[name]
	}
	for _, name := range sections {
		add(name)
	}
	for _, each := range symbols {
		entry := elf.Sym64{Name: add(each.name), Info: elf.ST_INFO(each.bind, each.kind)}
		entry.Shndx = uint16(max(slices.Index(sections, each.section), 0))
		table, _ = binary.Append(table, binary.LittleEndian, entry)
	}
	contents := map[string][]byte{".text": make([]byte, 8), "tc": make([]byte, 8), ".maps": make([]byte, 8), ".symtab": table, ".strtab": names}
	var body, headers []byte
	for number, name := range sections {
		header := elf.Section64{Name: offsets[name], Off: uint64(64 + len(body)), Size: uint64(len(contents[name]))}
		switch name {
		case "":
			header = elf.Section64{}
		case ".symtab":
			header.Type, header.Link, header.Entsize = uint32(elf.SHT_SYMTAB), uint32(number+1), symbolSize
		case ".strtab":
			header.Type = uint32(elf.SHT_STRTAB)
		default:
			header.Type, header.Flags = uint32(elf.SHT_PROGBITS), uint64(elf.SHF_ALLOC)
		}
		body = append(body, contents[name]...)
		headers, _ = binary.Append(headers, binary.LittleEndian, header)
	}
	header := elf.Header64{
		Ident:   [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_REL),
		Machine: uint16(elf.EM_BPF), Version: uint32(elf.EV_CURRENT), Shoff: uint64(64 + len(body)), Ehsize: 64,
		Shentsize: 64, Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1),
	}
	data, _ := binary.Append(nil, binary.LittleEndian, header)
	return append(append(data, body...), headers...)
}

func parsed(t *testing.T, data []byte) *elf.File {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWeakMapsAndOptionsBecomeGlobal(t *testing.T) {
	data := elfFile(t,
		symbol{"__bpf_usdt_specs", ".maps", elf.STT_OBJECT, elf.STB_WEAK},
		symbol{"CONFIG_HZ", "", elf.STT_NOTYPE, elf.STB_WEAK},
		symbol{"other", "", elf.STT_NOTYPE, elf.STB_WEAK},
		symbol{"program", "tc", elf.STT_FUNC, elf.STB_GLOBAL},
	)
	if options := adapt(data, parsed(t, data)); !slices.Equal(options, []string{"CONFIG_HZ"}) {
		t.Errorf("%q", options)
	}
	symbols, err := parsed(t, data).Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range symbols {
		want := elf.STB_GLOBAL
		if each.Name == "other" {
			want = elf.STB_WEAK
		}
		if got := elf.ST_BIND(each.Info); got != want {
			t.Errorf("%s is %v, not %v", each.Name, got, want)
		}
	}
}

func TestStaticFunctionsOfOneNameGetDifferentOnes(t *testing.T) {
	data := elfFile(t,
		symbol{"helper", ".text", elf.STT_FUNC, elf.STB_LOCAL},
		symbol{"twin", ".text", elf.STT_FUNC, elf.STB_LOCAL},
		symbol{"twin", "tc", elf.STT_FUNC, elf.STB_GLOBAL},
		symbol{"win", "tc", elf.STT_FUNC, elf.STB_GLOBAL},
	)
	adapt(data, parsed(t, data))
	symbols, err := parsed(t, data).Symbols()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, each := range symbols {
		names = append(names, each.Name)
	}
	if want := []string{"helper", "in", "twin", "win"}; !slices.Equal(names, want) {
		t.Errorf("%q, not %q", names, want)
	}
}

func TestFunctionsOfAnObjectThatTheLibraryCannotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.o")
	data := elfFile(t,
		symbol{"subprogram", ".text", elf.STT_FUNC, elf.STB_GLOBAL},
		symbol{"program", "tc", elf.STT_FUNC, elf.STB_GLOBAL},
		symbol{"map", ".maps", elf.STT_OBJECT, elf.STB_GLOBAL},
	)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if names := functionsOf(object{File: path}); !slices.Equal(names, []string{"program"}) {
		t.Errorf("%q", names)
	}
	if names := functionsOf(object{File: path + ".gone"}); names != nil {
		t.Errorf("%q of a file that is not there", names)
	}
}

func TestFilesThatAreNoObjects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.o")
	if _, err := readObject(object{File: path}); !os.IsNotExist(err) {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readObject(object{File: path}); err == nil || !strings.Contains(err.Error(), "not an ELF file") {
		t.Error(err)
	}
}
