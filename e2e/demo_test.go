package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// The demo says what to type next, all of which works, and leaves nothing.
func TestDemo(t *testing.T) {
	testenv.Need(t, "curl")
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			temporary := lab.Dir(t)
			cmd := exec.Command(lab.Program(), "demo", "--port", "0")
			cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
			demo := lab.StartCommand(t, cmd)
			demo.Wait(t, "curl")
			made, err := filepath.Glob(temporary + "/*")
			if err != nil || len(made) != 1 {
				t.Fatalf("it made %q (%v)", made, err)
			}

			commands := 0
			for line := range strings.Lines(demo.Said()) {
				line, typed := strings.CutPrefix(strings.TrimSpace(line), "./pxe-pilot ")
				if typed {
					line = "./pxe-pilot " + line
				} else if !strings.HasPrefix(line, "ls ") && !strings.HasPrefix(line, "curl ") {
					continue
				}
				commands++
				sh := exec.Command("sh", "-c", line)
				sh.Dir = filepath.Dir(lab.Program())
				stdout, stderr, status := lab.OutputOf(t, sh)
				want := 0
				switch {
				case strings.Contains(line, "# refused"):
					want = 4
				case strings.Contains(line, "# boots something else"):
					want = 1
				}
				if status != want || (stdout == "") != (want == 4) || strings.Contains(stdout, `"message"`) {
					t.Errorf("%s: exit status %d, want %d\n%s%s", line, status, want, stdout, stderr)
				}
			}
			if commands < 5 {
				t.Errorf("it told %d commands only:\n%s", commands, demo.Said())
			}

			demo.Signal(t, s)
			if status := demo.Exit(t); status != 0 {
				t.Errorf("exit status %d", status)
			}
			if lab.Exists(made[0]) {
				t.Errorf("%s is still there", made[0])
			}
		})
	}
}

// A demo that cannot start says so, and leaves nothing either.
func TestDemoOnTakenPort(t *testing.T) {
	server := newSite(t).Serve(t)
	temporary := lab.Dir(t)
	cmd := exec.Command(lab.Program(), "demo", "--port", server.URL[strings.LastIndex(server.URL, ":")+1:])
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	_, stderr, status := lab.OutputOf(t, cmd)
	if status != 1 || !strings.Contains(stderr, "error: cannot listen on ") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	if made, err := filepath.Glob(temporary + "/*"); err != nil || len(made) > 0 {
		t.Errorf("left over: %q (%v)", made, err)
	}
}
