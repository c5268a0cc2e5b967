// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestManifest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "manifest.json")
	text := `{"objects": [{"name": "a.o", "file": "/rehearsal/0", "contents": {".rodata.config": "AQI="}}],
		"sysctls": {"kernel.kptr_restrict": "1"}, "program_seconds": 90,
		"begin": {"object_number": 2, "program_number": 3}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := readManifestFrom(path)
	if err != nil {
		t.Fatal(err)
	}
	o := read.Objects[0]
	if o.Name != "a.o" || o.File != "/rehearsal/0" || string(o.Contents[".rodata.config"]) != "\x01\x02" {
		t.Errorf("%v", o)
	}
	if read.Sysctls["kernel.kptr_restrict"] != "1" || read.ProgramSeconds != 90 {
		t.Errorf("%v", read)
	}
	if read.Begin != (place{2, 3}) {
		t.Errorf("it begins at %v", read.Begin)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		if _, err := readManifestFrom(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}
