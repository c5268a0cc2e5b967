// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
)

// collection is what an object has; refused says why a program of it can't be loaded on this kernel, by its name, where
// that is known before the kernel is asked.
type collection struct {
	*ebpf.CollectionSpec
	refused map[string]string
}

// readObject reads an ELF file for the library, with what libbpf would take as it is and the library would not.
func readObject(o object) (*collection, error) {
	data, err := os.ReadFile(o.File)
	if err != nil {
		return nil, err
	}
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("not an ELF file: %w", err)
	}
	variables, err := untype(data, file)
	if err != nil {
		return nil, err
	}
	weak := adapt(data, file)
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if err := prepareKconfig(spec, weak); err != nil {
		return nil, err
	}
	return &collection{spec, bindVariables(spec, variables)}, configure(spec, o)
}

// functionsOf names the programs that an object must have which the library can't read.
func functionsOf(o object) (names []string) {
	file, err := elf.Open(o.File)
	if err != nil {
		return nil
	}
	defer file.Close()
	symbols, _ := file.Symbols()
	for _, each := range symbols {
		placed := each.Section > 0 && int(each.Section) < len(file.Sections)
		if placed && elf.ST_TYPE(each.Info) == elf.STT_FUNC && file.Sections[each.Section].Name != ".text" {
			names = append(names, each.Name)
		}
	}
	return names
}

const (
	symbolSize    = 24 // Elf64_Sym
	symbolInfo    = 4  // st_info in it; st_name is at its beginning
	typeOfBinding = 0xf
)

// adapt makes an object's symbols such as the library wants them, in place, and returns the weak options of the kernel.
//
// Weak maps (those of libbpf's usdt.bpf.h) and weak options become global ones: after linking, the one that is there is
// the one that is meant. A static function whose name another function has, which linking (bpftool gen object) may bring
// about, is called by the end of its name.
func adapt(data []byte, file *elf.File) (options []string) {
	table := file.SectionByType(elf.SHT_SYMTAB)
	symbols, err := file.Symbols()
	if file.Class != elf.ELFCLASS64 || table == nil || table.Offset+table.Size > uint64(len(data)) || err != nil {
		return nil // the library says what is wrong with it
	}
	functions := map[string]bool{}
	for _, symbol := range symbols {
		if elf.ST_TYPE(symbol.Info) == elf.STT_FUNC && elf.ST_BIND(symbol.Info) != elf.STB_LOCAL {
			functions[symbol.Name] = true
		}
	}
	for number, symbol := range symbols {
		if int(symbol.Section) >= len(file.Sections) {
			continue
		}
		// The table's first symbol, which is none, is not among those that were read.
		entry := data[table.Offset+uint64(number+1)*symbolSize:]
		if elf.ST_TYPE(symbol.Info) == elf.STT_FUNC && elf.ST_BIND(symbol.Info) == elf.STB_LOCAL {
			name := symbol.Name
			for len(name) > 1 && functions[name] {
				name = name[1:]
				file.ByteOrder.PutUint32(entry, file.ByteOrder.Uint32(entry)+1)
			}
			functions[name] = true
		}
		if elf.ST_BIND(symbol.Info) != elf.STB_WEAK {
			continue
		}
		option := symbol.Section == elf.SHN_UNDEF && strings.HasPrefix(symbol.Name, "CONFIG_")
		if name := file.Sections[symbol.Section].Name; option || name == ".maps" || strings.HasPrefix(name, "maps") {
			entry[symbolInfo] = entry[symbolInfo]&typeOfBinding | byte(elf.STB_GLOBAL)<<4
		}
		if option {
			options = append(options, symbol.Name)
		}
	}
	return options
}
