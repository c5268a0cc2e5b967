// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"regexp"
	"strconv"
	"strings"
)

// The verifier's last lines (print_verification_stats in kernel/bpf/verifier.c, the same from 5.10 to 7.3):
//
//	verification time 245 usec
//	stack depth 16+0
//	processed 12 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
var (
	processed = regexp.MustCompile(`processed (\d+) insns \(limit (\d+)\) max_states_per_insn (\d+) total_states (\d+) peak_states (\d+)`)
	usec      = regexp.MustCompile(`verification time (\d+) usec`)
	depth     = regexp.MustCompile(`stack depth ([\d+]+)`)
)

// stats returns the counts of a verifier's log, by its own names; those that it does not have are left out.
func stats(log string) map[string]int64 {
	found := map[string]int64{}
	if m := last(processed, log); m != nil {
		for i, name := range []string{"insns", "limit", "max_states_per_insn", "total_states", "peak_states"} {
			found[name], _ = strconv.ParseInt(m[i+1], 10, 64)
		}
	}
	if m := last(usec, log); m != nil {
		found["verification_usec"], _ = strconv.ParseInt(m[1], 10, 64)
	}
	if m := last(depth, log); m != nil {
		for _, part := range strings.Split(m[1], "+") {
			bytes, _ := strconv.ParseInt(part, 10, 64)
			found["stack"] = max(found["stack"], bytes)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

func last(pattern *regexp.Regexp, text string) []string {
	all := pattern.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}
