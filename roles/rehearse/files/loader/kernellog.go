// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"errors"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// What a kernel says when something is wrong with itself.
var splat = regexp.MustCompile(`WARNING: |BUG: |kernel BUG at|Oops: |general protection fault|Unable to handle kernel|` +
	`UBSAN: |KASAN: |KCSAN: |verifier bug|REG INVARIANTS VIOLATION|rcu.*(stall|detected)|soft lockup|blocked for more than|Call Trace:.*bpf`)

const mostSplats = 20

type kernelLog struct{ file *os.File }

func openKernelLog() *kernelLog {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &kernelLog{}
	}
	return &kernelLog{os.NewFile(uintptr(fd), "kmsg")}
}

// splats returns the suspicious lines since the last call.
func (log *kernelLog) splats() []string {
	var found []string
	if log.file == nil {
		return nil
	}
	record := make([]byte, 8192)
	for {
		n, err := unix.Read(int(log.file.Fd()), record)
		if errors.Is(err, unix.EPIPE) { // records were overwritten: go on with the oldest one there
			continue
		}
		if err != nil || n <= 0 {
			return found
		}
		_, text, _ := strings.Cut(string(record[:n]), ";")
		text, _, _ = strings.Cut(text, "\n")
		if splat.MatchString(text) && len(found) < mostSplats {
			found = append(found, text)
		}
	}
}
