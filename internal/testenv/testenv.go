// Package testenv tells a test what the machine that it runs on offers. A test
// that needs more than that is skipped on somebody's own machine, where
// "make test" lists it at the end, and fails in CI, where nobody would notice
// that it no longer runs.
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Need skips the test, or fails it in CI, unless all programs are in PATH. The
// Debian packages that bring them are listed in scripts/packages.sh.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) > 0 {
		Lack(t, "needs "+strings.Join(missing, ", ")+" in PATH (scripts/packages.sh installs what the tests need)")
	}
}

// NeedRoot skips the test, or fails it in CI, unless it runs as root, as it
// must to make network namespaces, to mount file systems or to change owners.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Lack(t, "needs root")
	}
}

// Soak says whether the long versions of tests are wanted, as by "make soak".
func Soak() bool { return os.Getenv("PXE_PILOT_SOAK") != "" }

// Lack skips the test, or fails it in CI, for want of something. The go command
// shows nothing of a test that was skipped, and so the reason also goes to the
// file that scripts/test.sh prints.
func Lack(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s; in CI nothing may be skipped", why)
	}
	if name := os.Getenv("PXE_PILOT_SKIPPED"); name != "" {
		if err := note(name, fmt.Sprintf("%s %s\n", t.Name(), why)); err != nil {
			t.Errorf("cannot tell that the test is skipped: %v", err)
		}
	}
	t.Skip(why)
}

// note appends one line by one write, so that tests of several packages that
// run at once do not mix theirs.
func note(name, line string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
