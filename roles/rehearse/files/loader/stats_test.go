// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"maps"
	"testing"
)

func TestStats(t *testing.T) {
	log := "func#0 @0\nprocessed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n" +
		"verification time 245 usec\nstack depth 16+0+128\n" +
		"processed 1000001 insns (limit 1000000) max_states_per_insn 24 total_states 11287 peak_states 514 mark_read 3"
	want := map[string]int64{
		"insns": 1000001, "limit": 1000000, "max_states_per_insn": 24, "total_states": 11287, "peak_states": 514,
		"verification_usec": 245, "stack": 128,
	}
	if got := stats(log); !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	if got := stats("invalid mem access 'scalar'"); got != nil {
		t.Errorf("%v of a log without counts", got)
	}
}
