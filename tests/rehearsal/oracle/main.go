// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

// The oracle tells what is so of Cilium's objects on a kernel, as its agent would find out: with the agent's own library,
// whole objects, and the constants set by their names. It has nothing of the rehearsal's loader.
//
// It boots as init, loads each object of /objects, and says on the second serial port, a line of JSON each, which
// programs the kernel takes, and what it has put into sections of constants.
package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// Constants that are not as they were compiled: what upstream's own verifier tests set, the largest of their
// combinations, and an address of each family.
var constants = map[string]any{
	"tracing_ip_option_type":        uint8(1),
	"allow_icmp_frag_needed":        true,
	"enable_icmp_rule":              true,
	"policy_deny_response_enabled":  true,
	"enable_lrp":                    true,
	"enable_remote_node_masquerade": true,
	"enable_l2_announcements":       true,
	"eth_header_length":             uint8(14),
	"service_loopback_ipv6":         [16]byte{0xfd, 0, 0xff, 0xff, 15: 1},
	"router_ipv6":                   [16]byte{0xfd, 0, 15: 2},
	"nat_ipv6_masquerade":           [16]byte{0x20, 1, 0xd, 0xb8, 15: 3},
}

const prefix = "__config_"

// said is what is told of an object.
type said struct {
	Object string `json:"object"`
	// Error is why it can't be read at all.
	Error string `json:"error,omitempty"`
	// Programs: name -> why the kernel refuses it; empty when it takes it.
	Programs map[string]string `json:"programs"`
	// Contents of the sections of constants, hexadecimal.
	Contents map[string]string `json:"contents"`
}

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this is the init of a virtual machine")
		os.Exit(2)
	}
	defer func() { _ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) }()
	for _, each := range [][2]string{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"bpf", "/sys/fs/bpf"}, {"tmpfs", "/tmp"},
	} {
		_ = os.MkdirAll(each[1], 0o755)
		_ = unix.Mount(each[0], each[1], each[0], 0, "")
	}
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited)
	port, err := os.OpenFile("/dev/ttyS1", os.O_WRONLY, 0)
	if err != nil {
		fmt.Println("oracle:", err)
		return
	}
	if settings, err := unix.IoctlGetTermios(int(port.Fd()), unix.TCGETS); err == nil {
		settings.Oflag = 0
		_ = unix.IoctlSetTermios(int(port.Fd()), unix.TCSETS, settings)
	}
	lines := json.NewEncoder(port)
	paths, _ := filepath.Glob("/objects/*.o")
	for _, path := range paths {
		_ = lines.Encode(look(path))
	}
	_, _ = io.WriteString(port, "\"DONE\"\n")
}

// look loads an object's programs, all at once as the agent does, or one by one when the kernel refuses any.
func look(path string) said {
	answer := said{Object: filepath.Base(path), Programs: map[string]string{}, Contents: map[string]string{}}
	spec, err := read(path)
	if err == nil {
		answer.Contents, err = sections(spec)
	}
	if err != nil {
		answer.Error = err.Error()
		return answer
	}
	whole, err := ebpf.NewCollection(spec.Copy())
	if err == nil {
		for name := range whole.Programs {
			answer.Programs[name] = ""
		}
		whole.Close()
		return answer
	}
	without := spec.Copy()
	without.Programs = nil
	common, err := ebpf.NewCollection(without)
	if err != nil {
		answer.Error = err.Error()
		return answer
	}
	defer common.Close()
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		alone := spec.Copy()
		alone.Programs = map[string]*ebpf.ProgramSpec{name: alone.Programs[name]}
		alone.Variables = nil // they are in the maps, which are there
		one, err := ebpf.NewCollectionWithOptions(alone, ebpf.CollectionOptions{MapReplacements: common.Maps})
		answer.Programs[name] = ""
		if err != nil {
			answer.Programs[name] = reason(err)
			continue
		}
		one.Close()
	}
	return answer
}

func reason(err error) string {
	var verdict *ebpf.VerifierError
	if errors.As(err, &verdict) {
		return fmt.Sprintf("%v: %s", verdict.Cause, strings.Join(verdict.Log[max(len(verdict.Log)-3, 0):], " / "))
	}
	return err.Error()
}

// read returns an object as its agent would load it, but with small maps, and none of them shared.
func read(path string) (*ebpf.CollectionSpec, error) {
	spec, err := ebpf.LoadCollectionSpec(path)
	if err != nil {
		return nil, err
	}
	for _, each := range spec.Maps {
		for _, one := range []*ebpf.MapSpec{each, each.InnerMap} {
			if one == nil {
				continue
			}
			one.Pinning = ebpf.PinNone
			if one.Extra != nil {
				_, _ = io.Copy(io.Discard, one.Extra)
			}
			if one.Type != ebpf.Array && one.Type != ebpf.PerCPUArray {
				one.MaxEntries = max(1, min(one.MaxEntries, 512))
			}
		}
		if each.Type == ebpf.ProgramArray || each.Type == ebpf.ArrayOfMaps || each.Type == ebpf.HashOfMaps {
			each.Contents = nil
		}
	}
	for _, each := range spec.Programs {
		if each.Type == ebpf.UnspecifiedProgram {
			each.Type = ofSource(path)
		}
	}
	for name, value := range constants {
		if variable := spec.Variables[prefix+name]; variable != nil {
			if err := variable.Set(value); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if err := auxiliary(spec); err != nil {
		return nil, err
	}
	return spec, inline(spec)
}

// ofSource is the type of the programs that are entered by tail calls alone: up to 1.16 their sections do not say.
func ofSource(path string) ebpf.ProgramType {
	if strings.HasPrefix(filepath.Base(path), "bpf_xdp") {
		return ebpf.XDP
	}
	return ebpf.SchedCLS
}

// auxiliary does what Cilium's loader does from 1.19 on (modifyAuxData in pkg/bpf): these variables are there once for
// each of, say, three processors.
func auxiliary(spec *ebpf.CollectionSpec) error {
	data := spec.Maps[".data.aux"]
	if data == nil {
		return nil
	}
	stride := (data.ValueSize + 63) &^ 63
	for name, value := range map[string]uint64{"_aux_stride": uint64(stride), "_aux_max_off": uint64(2 * stride)} {
		if err := spec.Variables[name].Set(value); err != nil {
			return err
		}
	}
	for name, each := range spec.Variables {
		if each.SectionName == data.Name {
			delete(spec.Variables, name)
		}
	}
	data.ValueSize = 3 * stride
	data.Contents = []ebpf.MapKV{{Key: uint32(0), Value: make([]byte, data.ValueSize)}}
	return nil
}

// inline does what Cilium's loader does up to 1.16 (inlineGlobalData in pkg/bpf), where a constant is static: its address
// gives way to its value.
func inline(spec *ebpf.CollectionSpec) error {
	data := spec.Maps[".rodata.config"]
	if data == nil {
		return nil
	}
	section, ok := data.Value.(*btf.Datasec)
	if !ok || len(section.Vars) == 0 || section.Vars[0].Type.(*btf.Var).Linkage != btf.StaticVar {
		return nil
	}
	content := data.Contents[0].Value.([]byte)
	values := map[uint32]int64{}
	for _, each := range section.Vars {
		var whole [8]byte
		copy(whole[:], content[each.Offset:each.Offset+each.Size])
		values[each.Offset] = int64(spec.ByteOrder.Uint64(whole[:]))
	}
	for _, program := range spec.Programs {
		for i, each := range program.Instructions {
			if each.Reference() == data.Name && each.IsLoadFromMap() {
				value := asm.LoadImm(each.Dst, values[uint32(uint64(each.Constant)>>32)], asm.DWord)
				value.Metadata = each.Metadata
				program.Instructions[i] = value
			}
		}
	}
	delete(spec.Maps, data.Name)
	for name, each := range spec.Variables {
		if each.SectionName == data.Name {
			delete(spec.Variables, name)
		}
	}
	return nil
}

// sections returns what a kernel would be given of each section of constants.
func sections(spec *ebpf.CollectionSpec) (map[string]string, error) {
	found := map[string]string{}
	for name, each := range spec.Maps {
		if !strings.HasPrefix(name, ".rodata") || len(each.Contents) == 0 {
			continue
		}
		content, ok := each.Contents[0].Value.([]byte)
		if !ok {
			return nil, fmt.Errorf("%s has no bytes", name)
		}
		content = slices.Clone(content)
		for _, variable := range spec.Variables {
			if variable.SectionName == name {
				copy(content[variable.Offset:], variable.Value)
			}
		}
		found[name] = hex.EncodeToString(content)
	}
	return found, nil
}
