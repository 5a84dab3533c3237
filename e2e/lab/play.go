package lab

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notRun are commands that a session may show but no test runs, each with what
// is done in its place.
var notRun = []struct {
	what    *regexp.Regexp
	instead string // a command; empty for none
}{
	// Running the tests from the tests would not end; the targets must exist.
	{regexp.MustCompile(`^make (test|soak|bench|lint|vuln|run)\b[^&]*$`), "make -n $1 >/dev/null"},
	// The checkout is here already.
	{regexp.MustCompile(`^git clone \S+( && cd \S+)?$`), ""},
	{regexp.MustCompile(`^cd pxe-pilot$`), ""},
	// There is no init, and what is installed is what the tests need.
	{regexp.MustCompile(`^(sudo )?(systemctl|journalctl|apt-get|apt) `), ""},
}

// A player is a bash in which a session is played.
type player struct {
	t       testing.TB
	sandbox *Sandbox
	in      io.Writer
	done    *bufio.Reader // a line for each command that ended: its number and status
	bash    *Process
}

// outputs is where in a sandbox the outputs of commands are.
const outputs = "/run/session"

// Play plays a session in the sandbox and returns what differed from it. All that
// the session started ends with it.
func (s *Sandbox) Play(t testing.TB, steps []Step) []error {
	t.Helper()
	MakeDir(t, s.Path(outputs))
	p := &player{t: t, sandbox: s}
	p.start()
	defer p.bash.Kill() // which is the first of its processes, and so ends all
	var wrong []error
	for i, step := range steps {
		next := ""
		if i+1 < len(steps) {
			next = steps[i+1].Command
		}
		if err := p.play(i, step, next); err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: $ %s\n%w", step.Line, step.Command, err))
		}
	}
	return wrong
}

func (p *player) start() {
	t := p.t
	done, report, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = done.Close() })
	cmd := p.sandbox.Command(t, "bash", "--noprofile", "--norc", "-s")
	cmd.ExtraFiles = []*os.File{report}
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	p.done = bufio.NewReader(done)
	p.bash = StartCommand(t, cmd)
	if err := report.Close(); err != nil {
		t.Fatal(err)
	}
	p.enter("mount -t proc proc /proc", `sudo() { "$@"; }`)
}

// enter types lines into the bash.
func (p *player) enter(lines ...string) {
	if _, err := io.WriteString(p.in, strings.Join(lines, "\n")+"\n"); err != nil {
		p.t.Fatalf("the session is over: %v\n%s", err, p.bash.Said())
	}
}

// play plays one step.
func (p *player) play(n int, step Step, next string) error {
	for _, not := range notRun {
		if not.what.MatchString(step.Command) {
			p.t.Logf("line %d: not run: %s", step.Line, step.Command)
			step.Command, step.Want = not.what.ReplaceAllString(step.Command, not.instead), nil
			if step.Command == "" {
				return nil
			}
		}
	}
	file := filepath.Join(outputs, fmt.Sprint(n))
	said := func() string { return Read(p.t, p.sandbox.Path(file)) }
	Write(p.t, p.sandbox.Path(file), "")
	// In braces, so that it changes the directory and variables of what follows,
	// which also sees its exit status.
	p.enter("{", step.Command, "} >"+file+" 2>&1 </dev/null 3>&-",
		fmt.Sprintf(`__=$?; echo %d $__ >&3; (exit $__)`, n))
	status, err := p.wait(n)
	if err != nil {
		return err
	}
	if step.Background() {
		return p.settle(step, said)
	}
	switch {
	case status != 0 && !step.MayFail(next):
		return fmt.Errorf("exit status %d:\n%s", status, said())
	case !step.Matches(said()):
		return fmt.Errorf("it said:\n%s", said())
	}
	return nil
}

// wait waits for the end of a command, which may be the compilation of it all.
func (p *player) wait(n int) (status int, err error) {
	const long = 5 * time.Minute
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var line string
		var number int
		if line, err = p.done.ReadString('\n'); err == nil {
			_, err = fmt.Sscan(line, &number, &status)
		}
		if err == nil && number != n {
			err = fmt.Errorf("the session is out of step")
		}
	}()
	select {
	case <-ended:
		if err != nil {
			p.t.Fatalf("the session is over: %v\n%s", err, p.bash.Said())
		}
		return status, nil
	case <-time.After(long):
		p.bash.Signal(p.t, syscall.SIGKILL)
		<-ended
		return 0, fmt.Errorf("it did not end within %v; end the line with \"&\" if it shall go on", long)
	}
}

// settle waits until a command in the background said what the document shows,
// or, where that is nothing, anything.
func (p *player) settle(step Step, said func() string) error {
	patience := Patience
	if len(step.Want) == 0 {
		patience = 2 * time.Second
	}
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(patience)
	for {
		text := said()
		if step.Matches(text) && (text != "" || len(step.Want) > 0) {
			return nil
		}
		select {
		case <-look.C:
		case <-deadline:
			if len(step.Want) == 0 {
				return nil
			}
			return fmt.Errorf("within %v it said:\n%s", patience, text)
		}
	}
}
