// Copyright: Friday contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// written is the line as the report has it, with the names of its fields.
func written(t *testing.T, l line) (string, map[string]any) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	write(file, l)
	_ = file.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	return string(data), fields
}

func TestALineIsOneLine(t *testing.T) {
	text, fields := written(t, line{
		Kind: kindProgram, place: place{1, 2}, Object: "a.o", Program: "p", Outcome: outcomeRefused,
		Log: []string{"one", "two\nlines"}, Truncated: true,
	})
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "}\n") {
		t.Errorf("%q", text)
	}
	for name, want := range map[string]any{
		"kind": "program", "outcome": "refused", "truncated": true, "object_number": 1.0, "program_number": 2.0,
	} {
		if fields[name] != want {
			t.Errorf("%s is %v, not %v", name, fields[name], want)
		}
	}
}

func TestWhatAKindHasNoUseForIsLeftOut(t *testing.T) {
	_, fields := written(t, line{Kind: kindEnd, Seconds: 4.5})
	if len(fields) != 4 { // kind, both numbers of the place, seconds
		t.Errorf("%v", fields)
	}
}
