package command_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/command"
)

// What is passed by env or stdin shows in no process list.
func TestSecretsAreNotInTheProcessList(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "go")
	c := drive(t, command.Command{
		Cmd: "sh -c 'read -r line; [ \"$line\" = \"$PASSWORD\" ] || exit 9; echo $$ >" + dir + "/new; mv " + dir + "/new " + dir + "/pid; until [ -e " + fifo + " ]; do sleep 0.01; done'",
		Env: map[string]string{"PASSWORD": "{{.password}}"}, Stdin: "{{.password}}\n",
	}, "password", "hunter2")
	done := make(chan error, 1)
	go func() { done <- c.Do(t.Context(), pxepilot.ActionOn) }()
	pidIn(t, filepath.Join(dir, "pid"))
	seen := 0
	for _, pid := range children(t) {
		argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(argv), "hunter2") {
			t.Errorf("the process list shows %q", argv)
		}
		seen++
	}
	if seen == 0 {
		t.Error("saw no process")
	}
	if err := os.WriteFile(fifo, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Nor does it show in what is told of a program that repeats it.
func TestSecretsAreHiddenInOutput(t *testing.T) {
	for _, tt := range []struct {
		name string
		cmd  command.Command
		want string
	}{
		{"by env", command.Command{Cmd: `sh -c 'echo "no: $X" >&2; exit 1'`, Env: map[string]string{"X": "{{.code}}"}}, `"no: ***"`},
		{"all by env", command.Command{Cmd: `sh -c 'echo "no: $X" >&2; exit 1'`, Env: map[string]string{"X": "{{range .}}{{.}} {{end}}"}}, `"no: ***`},
		{"part of env", command.Command{Cmd: `sh -c 'echo "no: ${X#*:}" >&2; exit 1'`, Env: map[string]string{"X": "user:{{.code}}"}}, `"no: ***"`},
		{"by stdin", command.Command{Cmd: `sh -c 'cat >&2; exit 1'`, Stdin: "user\npass={{.code}}\n"}, `"***"`},
		{"a line of stdin", command.Command{Cmd: `sh -c 'read -r a; read -r b; echo "[$b]" >&2; exit 1'`, Stdin: "first\n  fixed words\n"}, `"[***]"`},
		{"by its name", command.Command{Cmd: `sh -c 'echo "bad $1, $1" >&2; exit 1' x {{.api_token}}`}, `"bad ***, ***"`},
		{"on standard output", command.Command{Cmd: `sh -c 'echo "bad $1"' x {{.api_token}}`}, `its output "bad ***"`},
		{"within words", command.Command{Cmd: `sh -c 'echo "a$1b$1$1" >&2; exit 1' x {{.api_token}}`}, `"a***b***"`},
		{"as a program", command.Command{Cmd: `{{.api_token}}`}, `"***" is not found in PATH`},
		{"over two lines", command.Command{Cmd: `sh -c 'echo "$X" >&2; exit 1'`, Env: map[string]string{"X": "{{.long}}"}}, `"***"`},
		{"at the cut", command.Command{Cmd: `sh -c 'printf "%077d" 0 >&2; echo "$X" >&2; exit 1'`, Env: map[string]string{"X": "{{.code}}"}}, `0***`},
		{"too short to be one", command.Command{Cmd: `sh -c 'echo "no, none: $X" >&2; exit 1'`, Env: map[string]string{"X": "no"}}, `"no, none: no"`},
		{"not one", command.Command{Cmd: `sh -c 'echo "no outlet $1" >&2; exit 1' x {{.outlet}}`}, `"no outlet left-upper"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := drive(t, tt.cmd, "code", "hunter2", "api_token", "hunter2!", "long", "-- begin\nhunter2\n-- end", "outlet", "left-upper")
			_, err := c.State(t.Context())
			wants(t, err, tt.want)
		})
	}
}

// Nothing of an adapter or a driver is printed by accident.
func TestNothingIsPrinted(t *testing.T) {
	o := command.Options{Name: "h2", Adapter: command.Adapter{Name: "strip", Vars: secrets("password", "hunter2"),
		On: command.Command{Cmd: "true"}}, Vars: secrets("token", "hunter2")}
	c, err := command.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		for _, v := range []any{o, *c, c} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "hunter2") {
				t.Errorf("%s of %T shows a password", verb, v)
			}
		}
	}
}
