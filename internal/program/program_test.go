package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	t.Setenv("SERVER_SECRET", "hunter2")
	hide := func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") }
	for _, tt := range []struct {
		name    string
		program Program
		want    string
		fails   string
	}{
		{"says something", Program{Words: []string{"echo", "a  b", "$c"}}, "a  b $c\n", ""},
		{"its environment", Program{Words: []string{"env"}, Env: []string{"A=b c"}}, "PATH=" + os.Getenv("PATH") + "\nLANG=C.UTF-8\nA=b c\n", ""},
		{"its input", Program{Words: []string{"cat"}, Stdin: "x\ny"}, "x\ny", ""},
		{"its directory", Program{Words: []string{"pwd"}}, "/\n", ""},
		{"a last word", Program{Words: []string{"sh", "-c", "echo first; printf 'second hunter2\\n\\n' >&2; exit 23"}, Hide: hide}, "",
			`deploy.after_switch ended with status 23: "second ***"; run it by hand as the user of the server to see why`},
		{"a last word where it does not belong", Program{Words: []string{"sh", "-c", "printf 'first\\nsec\\033ond\\n'; exit 1"}}, "",
			`deploy.after_switch ended with status 1: "sec\x1bond"; run it by hand as the user of the server to see why`},
		{"no word", Program{Words: []string{"false"}}, "", "deploy.after_switch ended with status 1 and said nothing; run it by hand as the user of the server to see why"},
		{"not found", Program{Words: []string{"no-such-program"}}, "", `deploy.after_switch: "no-such-program" is not found in PATH: executable file not found in $PATH`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.program.Name = "deploy.after_switch"
			out, err := tt.program.Run(t.Context())
			switch {
			case tt.fails != "":
				if err == nil || err.Error() != tt.fails {
					t.Errorf("%v, want %s", err, tt.fails)
				}
			case err != nil:
				t.Error(err)
			default:
				if diff := cmp.Diff(tt.want, out.String()); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// A command that could not be run is found before it is needed.
func TestDoubt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/plain", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ command, want string }{
		{"", ""},
		{"sh", ""},
		{"/bin/sh", ""},
		{"no-such-program", `begins with "no-such-program", which is not found in PATH here; install it, or write the path of what is meant`},
		{"./push", `begins with the relative path "./push", but commands are run in /; write the whole path`},
		{"bin/push", `begins with the relative path "bin/push", but commands are run in /; write the whole path`},
		{dir + "/none", fmt.Sprintf("begins with %q, which is not there; write the path of what is meant", dir+"/none")},
		{dir + "/plain", fmt.Sprintf("begins with %q, which may not be executed; 'chmod +x' lets it", dir+"/plain")},
		{dir, fmt.Sprintf("begins with %q, which cannot be executed", dir)},
	} {
		if got := Doubt(strings.Fields(tt.command)); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.command, got, tt.want)
		}
	}
}

// All that a program started ends with it when its time is over.
func TestRunIsCutOff(t *testing.T) {
	fifo := t.TempDir() + "/fifo"
	if _, err := (&Program{Name: "mkfifo", Words: []string{"mkfifo", fifo}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		p := Program{Name: "sleeper", Words: []string{"sh", "-c", "exec >" + fifo + "; trap '' TERM; sleep 600 & echo up; wait"}}
		_, err := p.Run(ctx)
		ended <- err
	}()
	up, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if _, err := io.ReadFull(up, make([]byte, len("up\n"))); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || err.Error() != "sleeper was killed, for the request was given up" {
		t.Error(err)
	}
	if _, err := io.ReadAll(up); err != nil { // to its end, where nobody is left who could write
		t.Error(err)
	}
}
