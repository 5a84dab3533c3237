package lab

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestKeep(t *testing.T) {
	t.Setenv(keptVariable, t.TempDir())
	text := strings.Repeat("one more line\n", 100)
	keep(t, "h1-serial", text)
	dir, err := keptDir()
	if err != nil {
		t.Fatal(err)
	}
	if got := Read(t, filepath.Join(dir, t.Name(), "h1-serial.log")); got != text {
		t.Errorf("%d bytes are kept, want %d", len(got), len(text))
	}
}
