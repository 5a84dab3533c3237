package command_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/command"
)

// drive makes a driver whose every command is cmd; the machine is on if it
// prints "on", and off if it prints "off".
func drive(t *testing.T, cmd command.Command, vars ...string) *command.Controller {
	t.Helper()
	c, err := command.New(command.Options{
		Name: "h2",
		Adapter: command.Adapter{Name: "strip", Status: cmd, PatternOn: `^on$`, PatternOff: `^off$`,
			On: cmd, Off: cmd, Reset: cmd},
		Vars:    secrets(vars...),
		Address: func(context.Context) (string, error) { return "10.0.0.5", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wants checks an error: its code, that its message is one line, and contains
// each text.
func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one that says %q", texts)
	}
	if code := pxepilot.ErrorCode(err); code != pxepilot.Conflict {
		t.Errorf("the error has the code %s: %v", code, err)
	}
	for _, text := range append(texts, `host h2: adapter "strip"`) {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if text := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(text, "hunter2") {
			t.Errorf("the error shows the password: %s", text)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\x1b\x00") {
		t.Errorf("the error is not one line: %q", err)
	}
}

func TestOutput(t *testing.T) {
	for _, tt := range []struct {
		cmd  string
		want pxepilot.PowerState
		says []string
	}{
		{"echo on", pxepilot.PowerOn, nil},
		{"echo off", pxepilot.PowerOff, nil},
		{`printf 'state:\noff\n'`, pxepilot.PowerOff, nil},
		{`printf 'on\r\n'`, pxepilot.PowerOn, nil},
		{"echo maybe", pxepilot.PowerUnknown, []string{`at 10.0.0.5: power_status: neither pattern_on nor pattern_off matches its output "maybe"`}},
		{`printf 'on\noff\n'`, pxepilot.PowerUnknown, []string{"both pattern_on and pattern_off match", `"on\noff"`}},
		{"true", pxepilot.PowerUnknown, []string{`its output ""`}},
		{`printf '\033[31m\000'`, pxepilot.PowerUnknown, []string{`"\x1b[31m\x00"`}},
		{"sh -c 'echo on; exit 3'", pxepilot.PowerUnknown, []string{`power_status ended with status 3: "on"`}},
		{"sh -c 'echo on; echo first >&2; echo no such outlet >&2; exit 3'", pxepilot.PowerUnknown, []string{`ended with status 3: "no such outlet"; run it by hand as the user of the server to see why`}},
		{"false", pxepilot.PowerUnknown, []string{"power_status ended with status 1 and said nothing; run it by hand as the user of the server to see why"}},
		{"sh -c 'kill -TERM $$'", pxepilot.PowerUnknown, []string{`was ended by the signal "terminated"`}},
		{"no-such-program-anywhere", pxepilot.PowerUnknown, []string{`power_status: "no-such-program-anywhere" is not found in PATH`}},
		{"/", pxepilot.PowerUnknown, []string{`power_status: "/" cannot be started: is a directory`}},
		{"/no/such/program", pxepilot.PowerUnknown, []string{"cannot be started: no such file or directory"}},
		{"sh -c 'echo off >&2'", pxepilot.PowerUnknown, []string{"neither"}}, // standard error is no answer
	} {
		state, err := drive(t, command.Command{Cmd: tt.cmd}).State(t.Context())
		if state != tt.want {
			t.Errorf("%s: %s", tt.cmd, state)
		}
		if tt.says != nil {
			wants(t, err, tt.says...)
		} else if err != nil {
			t.Errorf("%s: %v", tt.cmd, err)
		}
	}
}

// A template that fails says what to mend, without any value.
func TestTemplateFails(t *testing.T) {
	c := drive(t, command.Command{Cmd: "a '{{slice .v 0 10}}'"}, "v", "hunter2")
	_, err := c.State(t.Context())
	wants(t, err, "power_status.cmd cannot be expanded: 1:", "at <slice .v 0 10>", "; mend the template or {{.v}}")
}

// A value never becomes two words, an option list or a command.
func TestNoShell(t *testing.T) {
	dir := t.TempDir()
	evil := `x; touch ` + dir + `/a $(touch ` + dir + `/b) ` + "`touch " + dir + "/c`" + ` | "' > ` + dir + "/d\n* \\"
	c := drive(t, command.Command{Cmd: `sh -c 'printf "%s\0" "$@" >` + dir + `/argv' argv0 {{.evil}} a{{.evil}}b "{{ .empty }}" {{.ip_address}}`},
		"evil", evil, "empty", "")
	if err := c.Do(t.Context(), pxepilot.ActionOn); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "argv"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{evil, "a" + evil + "b", "", "10.0.0.5", ""}
	if diff := cmp.Diff(want, strings.Split(string(data), "\x00")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

// The environment is what the adapter says and nothing of the server's own.
func TestEnvironment(t *testing.T) {
	t.Setenv("SERVER_SECRET", "hunter2")
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	dir := t.TempDir()
	c := drive(t, command.Command{Cmd: "sh -c 'env | sort >" + dir + "/env; cat >" + dir + "/stdin'",
		Env: map[string]string{"USER": "{{.user}}@{{.ip_address}}", "EMPTY": ""}, Stdin: "{{.user}}\n{{.password}}\n"},
		"user", "operator", "password", "a b")
	if err := c.Do(t.Context(), pxepilot.ActionOff); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"EMPTY=", "LANG=C.UTF-8", "PATH=" + os.Getenv("PATH"), "PWD=/", "USER=operator@10.0.0.5"}
	if diff := cmp.Diff(want, strings.Split(strings.TrimSpace(string(env)), "\n")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	stdin, err := os.ReadFile(filepath.Join(dir, "stdin"))
	if err != nil || string(stdin) != "operator\na b\n" {
		t.Errorf("%q, %v", stdin, err)
	}
}

// What a program prints, or does not read, neither hangs nor fills the memory.
func TestFloods(t *testing.T) {
	much := strings.Repeat("0123456789abcde\n", 6<<10)
	for _, tt := range []struct {
		name string
		cmd  command.Command
		want string
	}{
		{"a gigabyte", command.Command{Cmd: "head -c 1000000000 /dev/zero"}, "neither pattern_on nor pattern_off matches the first 64 KiB of its output, which is longer; have it print less: "},
		{"a gigabyte of errors", command.Command{Cmd: "sh -c 'head -c 1000000000 /dev/zero >&2; exit 5'"}, "ended with status 5"},
		{"input that is not read", command.Command{Cmd: "sh -c 'exit 6'", Stdin: "{{.much}}"}, "ended with status 6"},
		{"input that comes back", command.Command{Cmd: "cat", Stdin: "{{.much}}"}, "neither"},
		{"input that is too long", command.Command{Cmd: "cat", Stdin: "{{.much}}{{.much}}"}, "power_status.stdin cannot be expanded: it is longer than 128 KiB"},
		{"a template without end", command.Command{Cmd: "'echo{{range 1000000000}}x{{end}}'"}, "power_status.cmd cannot be expanded: it is longer than 128 KiB"},
		{"a template in itself", command.Command{Cmd: `'{{define "a"}}{{template "a"}}{{end}}{{template "a"}}'`}, "cannot be expanded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := drive(t, tt.cmd, "much", much).State(t.Context())
			runtime.ReadMemStats(&after)
			wants(t, err, tt.want)
			if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
				t.Errorf("took %d MiB of memory", used>>20)
			}
		})
	}
}

// A deadline ends a program and what it started, which then is gone.
func TestDeadlineKillsTheGroup(t *testing.T) {
	dir := t.TempDir()
	c := drive(t, command.Command{Cmd: "sh -c 'trap \"\" TERM INT HUP; sleep 600 & echo $! >" + dir + "/child; echo $$ >" + dir + "/self.new; mv " +
		dir + "/self.new " + dir + "/self; wait; sleep 600'"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Do(ctx, pxepilot.ActionReset) }()
	self := pidIn(t, filepath.Join(dir, "self"))
	child := pidIn(t, filepath.Join(dir, "child"))
	if !runs(self) || !runs(child) {
		t.Error("the program does not run")
	}
	cancel()
	err := <-done
	wants(t, err, "power_reset was killed, for the request was given up")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap context.Canceled", err)
	}
	until(t, "the program and its child are gone", func() bool { return !runs(self) && !runs(child) })
	noChildren(t)

	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wants(t, drive(t, command.Command{Cmd: "sleep 600"}).Do(ctx, pxepilot.ActionOn), "power_on did not end in time and was killed")
	noChildren(t)
}

// A program that ended well counts, also where it left somebody behind who
// holds its output; the latter is ended.
func TestLeftBehind(t *testing.T) {
	dir := t.TempDir()
	c := drive(t, command.Command{Cmd: "sh -c 'sleep 600 & echo $! >" + dir + "/child; echo on'"})
	if state, err := c.State(t.Context()); state != pxepilot.PowerOn || err != nil {
		t.Errorf("%s, %v", state, err)
	}
	child := pidIn(t, filepath.Join(dir, "child"))
	until(t, "who was left behind is gone", func() bool { return !runs(child) })
	noChildren(t)
}

// Who left the group is not found, but does not hold anybody up either.
func TestEscaped(t *testing.T) {
	dir := t.TempDir()
	c := drive(t, command.Command{Cmd: "sh -c 'setsid sh -c \"echo \\$\\$ >" + dir + "/child.new; mv " + dir + "/child.new " + dir + "/child; exec sleep 600\" & wait'"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Do(ctx, pxepilot.ActionOn) }()
	child := pidIn(t, filepath.Join(dir, "child"))
	cancel()
	wants(t, <-done, "was killed")
	if p, err := os.FindProcess(child); err == nil {
		p.Kill()
	}
	noChildren(t)
}

// pidIn waits for a process to write its number.
func pidIn(t *testing.T, name string) (pid int) {
	t.Helper()
	until(t, name+" is written", func() bool {
		data, err := os.ReadFile(name)
		if err != nil || !strings.HasSuffix(string(data), "\n") {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	})
	return pid
}

// until waits for something outside of this process.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// stat reads the state and the parent of a process (proc(5)).
func stat(pid int) (state string, parent int) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	// The name in parentheses may hold anything.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

// runs says whether a process is there and not only waits to be buried by
// whoever is process 1 here.
func runs(pid int) bool {
	state, _ := stat(pid)
	return state != "" && state != "Z" && state != "X"
}

// children are the processes that this one started and did not bury.
func children(t *testing.T) (pids []int) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		pid, _ := strconv.Atoi(filepath.Base(name))
		if _, parent := stat(pid); parent == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

func noChildren(t *testing.T) {
	t.Helper()
	for _, pid := range children(t) {
		state, _ := stat(pid)
		t.Errorf("process %d is left (%s)", pid, state)
	}
}
