// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

// The loader is the one program of a rehearsal's guest. It boots as init on the kernel that is tried, loads each BPF
// program that it was given by itself, and says on the second serial port, a line of JSON each, what the kernel said.
//
// The work is done by a child, so that what brings that down (a hostile object, a kernel that kills) costs one program
// and not the rehearsal: init notes it and starts the next child behind it.
package main

import (
	"fmt"
	"os"
)

const (
	manifestPath = "/rehearsal/manifest.json"
	configPath   = "/rehearsal/config"
	childWord    = "child"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == childWord {
		// The place to begin at: object and program, as the init before it has counted them.
		var at place
		if _, err := fmt.Sscanf(os.Args[2], "%d/%d", &at.Object, &at.Program); err != nil {
			fail(err)
		}
		runChild(at)
		return
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this is the init of a virtual machine: it would reboot the machine that it runs on")
		os.Exit(2)
	}
	runInit()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
