// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"encoding/json"
	"os"
)

// Kinds of lines. They are read by plugins/module_utils/rehearsal/report.py.
const (
	kindBoot    = "boot"    // the guest is up
	kindObject  = "object"  // an object was read, or could not be
	kindBegin   = "begin"   // a program is about to be loaded
	kindProgram = "program" // what came of it
	kindCrash   = "crash"   // the loader, or the kernel under it, did not survive it
	kindSplat   = "splat"   // the kernel has complained of itself since the line before
	kindEnd     = "end"     // everything was tried
)

// place is where in the manifest a child is: the object's number, and the program's number in it.
type place struct {
	Object  int `json:"object_number"`
	Program int `json:"program_number"`
}

// line is one line of the report. Fields that a kind has no use for are left out.
type line struct {
	Kind string `json:"kind"`
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
	Assumed bool `json:"assumed,omitempty"`
	// Outcome is loaded, refused (by the verifier, or by what comes before it), map (a map that it needs can't be
	// made) or unsupported (it can't be loaded by itself: Error says why).
	Outcome string `json:"outcome,omitempty"`
	Errno   int    `json:"errno,omitempty"`
	// Tag is the kernel's hash of what it was given, relocated and without the maps' numbers: the same tag is the same code.
	Tag string `json:"tag,omitempty"`
	// Counts of the verifier, by their names in its log; see stats.go.
	Stats map[string]int64 `json:"stats,omitempty"`
	Log   []string         `json:"log,omitempty"`

	// Seconds since the boot for boot and end, of the load for program.
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
