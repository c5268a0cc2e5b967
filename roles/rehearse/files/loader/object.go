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

// readObject reads an ELF file for the library, with what libbpf would take as it is and the library would not.
func readObject(o object) (*ebpf.CollectionSpec, error) {
	data, err := os.ReadFile(o.File)
	if err != nil {
		return nil, err
	}
	weak, err := strengthen(data)
	if err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if err := prepareKconfig(spec, weak); err != nil {
		return nil, err
	}
	return spec, configure(spec, o)
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
	symbolInfo    = 4  // st_info in it
	typeOfBinding = 0xf
)

// strengthen makes weak maps (those of libbpf's usdt.bpf.h) and weak options of the kernel global ones, in place: after
// linking, the one that is there is the one that is meant. It returns the names of the latter.
func strengthen(data []byte) (options []string, err error) {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("no ELF file: %w", err)
	}
	table := file.SectionByType(elf.SHT_SYMTAB)
	symbols, err := file.Symbols()
	if file.Class != elf.ELFCLASS64 || table == nil || table.Offset+table.Size > uint64(len(data)) || err != nil {
		return nil, nil // the library says what is wrong with it
	}
	for number, symbol := range symbols {
		if elf.ST_BIND(symbol.Info) != elf.STB_WEAK || int(symbol.Section) >= len(file.Sections) {
			continue
		}
		option := symbol.Section == elf.SHN_UNDEF && strings.HasPrefix(symbol.Name, "CONFIG_")
		if name := file.Sections[symbol.Section].Name; option || name == ".maps" || strings.HasPrefix(name, "maps") {
			// The table's first symbol, which is none, is not among those that were read.
			at := table.Offset + uint64(number+1)*symbolSize + symbolInfo
			data[at] = data[at]&typeOfBinding | byte(elf.STB_GLOBAL)<<4
		}
		if option {
			options = append(options, symbol.Name)
		}
	}
	return options, nil
}
