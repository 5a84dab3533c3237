// Package packaging checks what is shipped beside the program.
package packaging

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// The unit is checked with a program in place of ours, which need not be
// installed where the test runs.
func TestUnit(t *testing.T) {
	testenv.Need(t, "systemd-analyze")
	unit, err := os.ReadFile("pxe-pilot.service")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	standIn := bytes.Replace(unit, []byte("\nExecStart=pxe-pilot server\n"), []byte("\nExecStart="+here+" server\n"), 1)
	if bytes.Equal(unit, standIn) {
		t.Fatal("the unit does not start pxe-pilot server, from wherever programs are")
	}
	file := filepath.Join(t.TempDir(), "pxe-pilot.service")
	if err := os.WriteFile(file, standIn, 0o644); err != nil {
		t.Fatal(err)
	}
	dropIn, err := os.ReadFile("discovery.conf")
	if err != nil {
		t.Fatal(err)
	}
	wider := filepath.Join(t.TempDir(), "pxe-pilot.service")
	if err := os.WriteFile(wider, append(append(standIn, '\n'), dropIn...), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", wider},
		{"verify", "--man=no", file},
		// In tenths of systemd's measure of exposure: what a server that runs as
		// root to write the TFTP root comes down to.
		{"security", "--offline=true", "--threshold=20", "--no-pager", file},
	} {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}
