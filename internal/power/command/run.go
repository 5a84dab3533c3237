package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// mostOutput is what is kept of an output; the rest is read and dropped, so
	// that a program that prints a lot neither hangs nor harms.
	mostOutput = 64 << 10
	// afterwards is how long pipes are read once the program has ended, or was
	// killed, while others hold them open.
	afterwards = 500 * time.Millisecond
	// defaultPath is for a server that was started without any PATH.
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// A program is a command with everything filled in.
type program struct {
	argv  []string
	env   []string // besides PATH and LANG
	stdin string
}

// run runs the program to its end, or kills it and all of its process group
// when ctx ends. It returns the standard output.
func (p *program) run(ctx context.Context, name string, m masks) (*keeper, error) {
	var stdout, stderr keeper
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	path := os.Getenv("PATH")
	if path == "" {
		path = defaultPath
	}
	// The language is fixed, as the patterns that read the output are.
	cmd.Env = append([]string{"PATH=" + path, "LANG=C.UTF-8"}, p.env...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if p.stdin != "" {
		cmd.Stdin = strings.NewReader(p.stdin)
	}
	// A group of its own, so that what the program started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = afterwards

	if err := cmd.Start(); err != nil {
		return nil, notStarted(ctx, name, p.argv[0], m, err)
	}
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		// It ended well and left somebody behind who holds its output.
		_ = killGroup(cmd)
		err = nil
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &stdout, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, &cutOffError{name + " was killed, for the request was given up", ctx.Err()}
	case ctx.Err() != nil:
		return nil, &cutOffError{name + " did not end in time and was killed; run it by hand to see what it waits for", ctx.Err()}
	case errors.As(err, &exit):
		return nil, &exitError{name, exit.ProcessState, said(m, &stderr, &stdout)}
	}
	return nil, fmt.Errorf("%s cannot be waited for: %s", name, m.excerpt(err.Error()))
}

// notStarted says why a program could not be started, without its arguments.
func notStarted(ctx context.Context, name, program string, m masks, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s was not run: %w", name, ctx.Err())
	}
	why := "cannot be started"
	var errno syscall.Errno
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%s: %s is not found in PATH: %w", name, m.excerpt(program), exec.ErrNotFound)
	case errors.As(err, &errno):
		return fmt.Errorf("%s: %s %s: %w", name, m.excerpt(program), why, errno)
	}
	return fmt.Errorf("%s: %s %s", name, m.excerpt(program), why)
}

// killGroup kills the program and what it started, unless that left its group.
func killGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// A cutOffError is the end of a program that was killed before it had done what it
// should.
type cutOffError struct {
	what  string
	cause error
}

func (e *cutOffError) Error() string { return e.what }
func (e *cutOffError) Unwrap() error { return e.cause }

// An exitError is the end of a program that did not do what it should.
type exitError struct {
	name  string
	state *os.ProcessState
	said  string
}

func (e *exitError) Error() string {
	how := fmt.Sprintf("ended with status %d", e.state.ExitCode())
	if status, ok := e.state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		how = fmt.Sprintf("was ended by the signal %q", status.Signal())
	}
	return e.name + " " + how + e.said + "; run it by hand as the user of the server to see why"
}

// said is the last word of a program, from where there is one.
func said(m masks, outputs ...*keeper) string {
	for _, o := range outputs {
		if strings.TrimSpace(o.String()) != "" {
			return ": " + m.lastLine(o.String())
		}
	}
	return " and said nothing"
}

// A keeper keeps the beginning of what is written to it.
type keeper struct {
	kept bytes.Buffer
	cut  bool // there was more
}

func (k *keeper) Write(p []byte) (int, error) {
	room := min(len(p), mostOutput-k.kept.Len())
	k.kept.Write(p[:room])
	k.cut = k.cut || room < len(p)
	return len(p), nil
}

func (k *keeper) String() string { return k.kept.String() }
