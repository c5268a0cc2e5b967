// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// messages is a kernel's log of these records: as with /dev/kmsg, each read returns one.
func messages(t *testing.T, records ...string) *kernelLog {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(ends[1]) })
	for _, each := range records {
		if _, err := unix.Write(ends[1], []byte(each)); err != nil {
			t.Fatal(err)
		}
	}
	return &kernelLog{os.NewFile(uintptr(ends[0]), "kmsg")}
}

func TestSuspiciousLines(t *testing.T) {
	log := messages(t,
		"6,1,100,-;Linux version 6.12.0",
		"4,2,200,-;WARNING: CPU: 0 PID: 1 at kernel/bpf/verifier.c:1 x\n SUBSYSTEM=bpf\n",
		"3,3,300,-;verifier bug: REG INVARIANTS VIOLATION (true_reg1)",
		"6,4,400,-;no warning: all is well; BUG: is only a word behind a semicolon",
	)
	want := []string{
		"WARNING: CPU: 0 PID: 1 at kernel/bpf/verifier.c:1 x",
		"verifier bug: REG INVARIANTS VIOLATION (true_reg1)",
		"no warning: all is well; BUG: is only a word behind a semicolon",
	}
	if got := log.splats(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := log.splats(); got != nil {
		t.Errorf("told twice: %q", got)
	}
}

func TestNoMoreThanAPageOfThem(t *testing.T) {
	var records []string
	for number := range mostSplats + 5 {
		records = append(records, fmt.Sprintf("3,%d,0,-;BUG: number %d", number, number))
	}
	if got := messages(t, records...).splats(); len(got) != mostSplats || got[0] != "BUG: number 0" {
		t.Errorf("%d: %q", len(got), got)
	}
}

func TestWithoutALog(t *testing.T) {
	if got := (&kernelLog{}).splats(); got != nil {
		t.Errorf("%q", got)
	}
}
