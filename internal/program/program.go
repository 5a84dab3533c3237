// Package program runs programs of the user's own: those that drive machines, and
// what is to be done after a switch. No shell is ever between; words.go splits a
// command line as one would, and refuses what only a shell could do. A program
// gets the environment that it is given and nothing of the server's own, ends with
// the context together with all that it started, and can print as much as it likes.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	// MostOutput is what is kept of an output; the rest is read and dropped, so
	// that a program that prints a lot neither hangs nor harms.
	MostOutput = 64 << 10
	// afterwards is how long pipes are read once the program has ended, or was
	// killed, while others hold them open.
	afterwards = 500 * time.Millisecond
	// defaultPath is for a server that was started without any PATH.
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// A Program is a command with everything filled in.
type Program struct {
	Name  string              // what it is to people, such as "power_on"
	Words []string            // the program and its arguments
	Env   []string            // besides PATH and LANG, as "name=value"
	Stdin string              //
	Hide  func(string) string // takes secrets out of what is shown; nil where there are none
}

// Run runs the program to its end, or kills it and all of its process group
// when ctx ends. It returns the standard output. An error is one line, which has
// the last one of what the program said.
func (p *Program) Run(ctx context.Context) (*Output, error) {
	var stdout, stderr Output
	cmd := exec.CommandContext(ctx, p.Words[0], p.Words[1:]...)
	path := os.Getenv("PATH")
	if path == "" {
		path = defaultPath
	}
	// The language is fixed, as the patterns that read the output are.
	cmd.Env = append([]string{"PATH=" + path, "LANG=C.UTF-8"}, p.Env...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if p.Stdin != "" {
		cmd.Stdin = strings.NewReader(p.Stdin)
	}
	// A group of its own, so that what the program started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = afterwards

	if err := cmd.Start(); err != nil {
		return nil, p.notStarted(ctx, err)
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
		return nil, &cutOffError{p.Name + " was killed, for the request was given up", ctx.Err()}
	case ctx.Err() != nil:
		return nil, &cutOffError{p.Name + " did not end in time and was killed; run it by hand to see what it waits for", ctx.Err()}
	case errors.As(err, &exit):
		return nil, &exitError{p.Name, exit.ProcessState, p.said(&stderr, &stdout)}
	}
	return nil, fmt.Errorf("%s cannot be waited for: %s", p.Name, p.excerpt(err.Error()))
}

// Doubt says why a command could hardly be run on this machine, by this user; empty
// where it could.
func Doubt(words []string) string {
	if len(words) == 0 {
		return ""
	}
	name := pxepilot.Quote(words[0])
	if strings.Contains(words[0], "/") && !filepath.IsAbs(words[0]) {
		return fmt.Sprintf("begins with the relative path %s, but commands are run in /; write the whole path", name)
	}
	_, err := exec.LookPath(words[0])
	switch {
	case err == nil:
		return ""
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Sprintf("begins with %s, which is not found in PATH here; install it, or write the path of what is meant", name)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("begins with %s, which is not there; write the path of what is meant", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("begins with %s, which may not be executed; 'chmod +x' lets it", name)
	}
	return fmt.Sprintf("begins with %s, which cannot be executed", name)
}

// notStarted says why the program could not be started, without its arguments.
func (p *Program) notStarted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s was not run: %w", p.Name, ctx.Err())
	}
	why := "cannot be started"
	var errno syscall.Errno
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%s: %s is not found in PATH: %w", p.Name, p.excerpt(p.Words[0]), exec.ErrNotFound)
	case errors.As(err, &errno):
		return fmt.Errorf("%s: %s %s: %w", p.Name, p.excerpt(p.Words[0]), why, errno)
	}
	return fmt.Errorf("%s: %s %s", p.Name, p.excerpt(p.Words[0]), why)
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

// said is the last line that says anything, from where there is one: that is where
// programs say what went wrong.
func (p *Program) said(outputs ...*Output) string {
	for _, o := range outputs {
		if text := strings.TrimSpace(p.hide(o.String())); text != "" {
			return ": " + p.excerpt(text[strings.LastIndexByte(text, '\n')+1:])
		}
	}
	return " and said nothing"
}

// excerpt is what may be shown of a text: escaped, short, and without secrets.
func (p *Program) excerpt(s string) string {
	return pxepilot.Quote(strings.TrimSpace(p.hide(s)))
}

func (p *Program) hide(s string) string {
	if p.Hide == nil {
		return s
	}
	return p.Hide(s)
}

// An Output is the beginning of what a program wrote.
type Output struct {
	kept bytes.Buffer
	Cut  bool // there was more
}

func (o *Output) Write(p []byte) (int, error) {
	room := min(len(p), MostOutput-o.kept.Len())
	o.kept.Write(p[:room])
	o.Cut = o.Cut || room < len(p)
	return len(p), nil
}

func (o *Output) String() string { return o.kept.String() }
