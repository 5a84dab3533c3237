package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Process is a program that a test started, and what it said.
type Process struct {
	name  string
	cmd   *exec.Cmd
	said  *transcript
	ended chan struct{} // closed once it ended and all that it said was read
}

// Start starts a program in the background. It is killed when the test ends; if
// that failed, what the program said is shown.
func Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	return StartCommand(t, exec.CommandContext(t.Context(), name, args...))
}

// StartCommand is Start for commands with surroundings of their own.
func StartCommand(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	return startBy(t, cmd, cmd.Start)
}

func startBy(t testing.TB, cmd *exec.Cmd, start func() error) *Process {
	t.Helper()
	p, err := newProcess(cmd, start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	return p
}

// newProcess is startBy for who does not run the test.
func newProcess(cmd *exec.Cmd, start func() error) (*Process, error) {
	p := &Process{
		name:  filepath.Base(cmd.Args[0]),
		cmd:   cmd,
		said:  &transcript{grown: make(chan struct{})},
		ended: make(chan struct{}),
	}
	cmd.Stdout, cmd.Stderr = p.said, p.said
	// A child of it may hold its output open a little longer.
	cmd.WaitDelay = time.Second
	if err := start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // its status is in cmd.ProcessState
		close(p.ended)
	}()
	return p, nil
}

// end kills the process, and keeps what it said if the test failed.
func (p *Process) end(t testing.TB) {
	p.Kill()
	if t.Failed() {
		keep(t, fmt.Sprintf("%s-%d", p.name, p.Pid()), p.Said())
	}
}

// Said is everything that the process wrote so far, to stdout and stderr.
func (p *Process) Said() string {
	text, _ := p.said.read()
	return text
}

// Mark is a point in what the process says: what it wrote before is nothing that
// WaitAfter waits for.
func (p *Process) Mark() int { return len(p.Said()) }

// Wait waits until the process says something, and returns the line.
func (p *Process) Wait(t testing.TB, something string) string {
	t.Helper()
	return p.WaitAfter(t, 0, something)
}

// WaitAfter is Wait for what the process says after a Mark.
func (p *Process) WaitAfter(t testing.TB, mark int, something string) string {
	t.Helper()
	deadline := time.After(Patience)
	ended := p.ended
	for {
		text, grown := p.said.read()
		for line := range strings.Lines(text[mark:]) {
			if strings.HasSuffix(line, "\n") && strings.Contains(line, something) {
				return strings.TrimSuffix(line, "\n")
			}
		}
		if ended == nil {
			t.Fatalf("%s ended without saying %q", p.name, something)
		}
		select {
		case <-grown:
		case <-ended:
			ended = nil // one more look
		case <-deadline:
			t.Fatalf("%s did not say %q within %v", p.name, something, Patience)
		}
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// Kill kills the process and waits for its end, if it did not end yet.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it fails where the process ended by itself
	<-p.ended
}

// Exit waits for the end of the process and returns its exit status, -1 where a
// signal ended it.
func (p *Process) Exit(t testing.TB) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(Patience):
		t.Fatalf("%s did not end within %v", p.name, Patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Pid is the id of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Output runs a program to its end and returns what it wrote to stdout and to
// stderr, and its exit status.
func Output(t testing.TB, name string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	return OutputOf(t, exec.CommandContext(t.Context(), name, args...))
}

// OutputOf is Output for commands with surroundings of their own.
func OutputOf(t testing.TB, cmd *exec.Cmd) (stdout, stderr string, status int) {
	t.Helper()
	return outputBy(t, cmd, cmd.Run)
}

func outputBy(t testing.TB, cmd *exec.Cmd, run func() error) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// PxePilot is Output of the program that is tested, which must succeed.
func PxePilot(t testing.TB, args ...string) string {
	t.Helper()
	stdout, stderr, status := Output(t, Program(), args...)
	if status != 0 {
		t.Fatalf("pxe-pilot %s: exit status %d\n%s%s", strings.Join(args, " "), status, stdout, stderr)
	}
	return stdout
}

// A transcript is what a process wrote, as it comes.
type transcript struct {
	mu    sync.Mutex
	text  strings.Builder
	grown chan struct{} // closed when there is more
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.grown)
	t.grown = make(chan struct{})
	return t.text.Write(b)
}

func (t *transcript) read() (string, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String(), t.grown
}

// Exists says whether something is at a path, if only a link that dangles.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
