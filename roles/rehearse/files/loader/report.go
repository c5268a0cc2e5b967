// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"encoding/json"
	"os"
)

// kind of a line. They are read by plugins/module_utils/rehearsal/report.py.
type kind string

const (
	kindBoot    kind = "boot"    // the guest is up
	kindObject  kind = "object"  // an object was read, or could not be
	kindBegin   kind = "begin"   // a program is about to be loaded
	kindProgram kind = "program" // what came of it
	kindCrash   kind = "crash"   // the loader, or the kernel under it, did not survive it
	kindSplat   kind = "splat"   // the kernel has complained of itself since the line before
	kindEnd     kind = "end"     // everything was tried
)

// outcome of the load of one program; LoadOutcome of plugins/plugin_utils/model/rehearsal.py has the same, and crash.
type outcome string

const (
	outcomeLoaded      outcome = "loaded"
	outcomeRefused     outcome = "refused"     // by the verifier, or by what comes before it
	outcomeMap         outcome = "map"         // a map that it needs can't be created
	outcomeUnsupported outcome = "unsupported" // it can't be loaded by itself; the line's Error says why
)

// place is where in the manifest a child is: the object's number, and the program's number in it.
type place struct {
	Object  int `json:"object_number"`
	Program int `json:"program_number"`
}

// line is one line of the report. Fields that a kind has no use for are left out.
type line struct {
	Kind kind `json:"kind"`
	place

	// boot
	Release string `json:"release,omitempty"`
	Version string `json:"version,omitempty"`
	Machine string `json:"machine,omitempty"`
	BTF     bool   `json:"btf,omitempty"`
	// Sysctls that could not be set, with the reason.
	Sysctls map[string]string `json:"sysctls,omitempty"`

	// object, begin, program, crash
	Object   string   `json:"object,omitempty"`
	Program  string   `json:"program,omitempty"`
	Programs []string `json:"programs,omitempty"`
	Error    string   `json:"error,omitempty"`

	// program
	Type    string `json:"type,omitempty"`
	Section string `json:"section,omitempty"`
	// Assumed says that the section tells nothing of the type.
	Assumed bool    `json:"assumed,omitempty"`
	Outcome outcome `json:"outcome,omitempty"`
	Errno   int     `json:"errno,omitempty"`
	// Tag is the kernel's hash of what it was given, relocated and without the maps' numbers: the same tag is the same code.
	Tag string `json:"tag,omitempty"`
	// Counts of the verifier, by their names in its log; see stats.go.
	Stats map[string]int64 `json:"stats,omitempty"`
	// Log has the verifier's last lines. Truncated says that there were more.
	Log       []string `json:"log,omitempty"`
	Truncated bool     `json:"truncated,omitempty"`

	// Late, with a crash: it had not finished within the Seconds that one program may take.
	Late bool `json:"late,omitempty"`

	// Seconds since the boot for boot and end, of the load for program, and see Late.
	Seconds float64 `json:"seconds"`

	// boot and splat: suspicious lines of the kernel's log, since the boot and since they were asked for last.
	Splats []string `json:"splats,omitempty"`
}

// write appends a line to a file, whole.
func write(file *os.File, l line) {
	data, err := json.Marshal(l)
	if err != nil {
		fail(err)
	}
	if _, err := file.Write(append(data, '\n')); err != nil {
		fail(err)
	}
}
