package lab

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// keptVariable names the directory in which the logs of what failed are kept. It
// is none of those that go with the run.
const keptVariable = "PXE_PILOT_LAB_KEPT"

// keptDir is where the logs of this run are kept, from the first of them on.
var keptDir = sync.OnceValues(func() (string, error) {
	return os.MkdirTemp(os.Getenv(keptVariable), "pxe-pilot-failed-")
})

// keep keeps a log of a test that failed, and shows the end of it.
func keep(t testing.TB, name, text string) {
	t.Helper()
	const shown = 40
	all := lines(text)
	end := strings.Join(all[max(0, len(all)-shown):], "\n")
	dir, err := keptDir()
	if err != nil {
		t.Logf("%s (cannot be kept: %v):\n%s", name, err, end)
		return
	}
	file := filepath.Join(dir, t.Name(), name+".log")
	Write(t, file, text)
	t.Logf("%s, whole in %s:\n%s", name, file, end)
}
