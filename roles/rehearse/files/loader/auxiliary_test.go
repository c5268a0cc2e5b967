// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// auxiliaries is an object with 40 bytes for each processor, 64 apart, and these are its constants.
func auxiliaries(stride, last uint64) *ebpf.CollectionSpec {
	number := &btf.Volatile{Type: &btf.Int{Name: "__u64", Size: 8}}
	variables := section(
		&btf.Var{Name: auxiliaryStride, Type: number, Linkage: btf.GlobalVar},
		&btf.Var{Name: auxiliaryLast, Type: number, Linkage: btf.GlobalVar},
	)
	content := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, stride), last)
	spec := of(variables, content)
	spec.Maps[auxiliaryConstants] = spec.Maps[configuration]
	spec.Maps[auxiliaryConstants].Name = auxiliaryConstants
	spec.Maps[auxiliary] = &ebpf.MapSpec{
		Name: auxiliary, Type: ebpf.Array, KeySize: 4, ValueSize: 40, MaxEntries: 1, Value: section(constant("x", 40)),
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: make([]byte, 40)}},
	}
	delete(spec.Maps, configuration)
	return spec
}

func TestVariablesOfEachProcessorHaveTheRoomOfTheNode(t *testing.T) {
	for _, each := range []struct {
		stride, last uint64
		want         uint32
	}{
		{0, 0, 40}, // as compiled: nothing is known of the node
		{64, 0, 64},
		{64, 64 * 299, 64 * 300},
	} {
		spec := auxiliaries(each.stride, each.last)
		if err := configure(spec, object{}); err != nil {
			t.Fatal(err)
		}
		data := spec.Maps[auxiliary]
		if content := data.Contents[0].Value.([]byte); data.ValueSize != each.want || len(content) != int(each.want) {
			t.Errorf("%+v: %d bytes, %d of content", each, data.ValueSize, len(content))
		}
		if (data.Value == nil) != (each.want > 40) {
			t.Errorf("%+v: type information of another size", each)
		}
	}
}

func TestWhatTheNodeHasDecidesOnTheRoom(t *testing.T) {
	content := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 64), 128)
	spec := auxiliaries(0, 0)
	if err := configure(spec, object{Contents: map[string][]byte{auxiliaryConstants: content}}); err != nil {
		t.Fatal(err)
	}
	if size := spec.Maps[auxiliary].ValueSize; size != 192 {
		t.Errorf("%d bytes", size)
	}
}

func TestRoomThatNoNodeHas(t *testing.T) {
	for _, each := range [][2]uint64{{64, 1 << 40}, {1 << 63, 1 << 63}, {^uint64(0), 1}, {auxiliaryMost, 1}} {
		err := configure(auxiliaries(each[0], each[1]), object{})
		if err == nil || !strings.Contains(err.Error(), "at most 33554432 allowed") {
			t.Errorf("%v: %v", each, err)
		}
	}
	spec := auxiliaries(64, 64)
	spec.Maps[auxiliaryConstants].Contents[0].Value = make([]byte, 12)
	if err := configure(spec, object{}); err == nil || !strings.Contains(err.Error(), ".rodata.aux is truncated") {
		t.Errorf("%v", err)
	}
}
