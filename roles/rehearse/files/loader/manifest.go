// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"encoding/json"
	"os"
)

// manifest says what is to be loaded, and under which conditions.
type manifest struct {
	Objects []object `json:"objects"`
	// Sysctls of the node, by their names in sysctl(8).
	Sysctls map[string]string `json:"sysctls"`
	// Seconds that one program may take.
	ProgramSeconds float64 `json:"program_seconds"`
	// Begin is where to begin: another guest has tried what comes before. All objects are there nevertheless, as a
	// program may be a part of one in an object before it.
	Begin place `json:"begin"`
}

// object is one ELF file with the configuration that its agent puts in before it loads it.
type object struct {
	Name string `json:"name"`
	File string `json:"file"`
	// Contents of maps, by their names: what the agent writes into .rodata.config, for one.
	Contents map[string][]byte `json:"contents"`
}

func readManifest() (manifest, error) { return readManifestFrom(manifestPath) }

func readManifestFrom(path string) (manifest, error) {
	var read manifest
	data, err := os.ReadFile(path)
	if err != nil {
		return read, err
	}
	return read, json.Unmarshal(data, &read)
}
