package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// childEnv makes another process of this test binary: its value says what it does,
// and its arguments follow.
const childEnv = "PXE_PILOT_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if does, ok := os.LookupEnv(childEnv); ok {
		if err := children[does](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

var children = map[string]func(args []string) error{
	"write": writeOn,
	"hold":  hold,
	"open":  tell,
}

// child is a command that runs this binary as one of the children.
func child(t *testing.T, does string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+does)
	cmd.Stderr = os.Stderr
	return cmd
}

// deed is what the child writes as its n-th record, which follows from n alone:
// a new entry, the result of the one before, and facts.
func deed(n int64) *pxepilot.Record {
	e := deedEntry(n)
	host := e.Hosts[0].Host
	r := &pxepilot.Record{
		New:      []*pxepilot.Entry{e},
		Armed:    []pxepilot.Arming{{Host: host, Generation: uint64(n), Then: "local", Armed: at, Deadline: pxepilot.Moment{Wall: at}}},
		Known:    map[string]pxepilot.Boot{},
		Contents: map[string]string{"ubuntu\x00grub": fmt.Sprintf("%04x", n)},
	}
	for i := range e.Hosts {
		r.Known[e.Hosts[i].Host] = pxepilot.Boot{State: pxepilot.Configured, Configuration: fmt.Sprint("c", n)}
	}
	if n > 1 {
		before := deedEntry(n - 1)
		before.ID, before.Count, before.Result = n-1, len(before.Hosts), pxepilot.Done
		r.Finished = []*pxepilot.Entry{before}
		r.Disarmed = []string{before.Hosts[0].Host}
	}
	return r
}

func deedEntry(n int64) *pxepilot.Entry {
	e := &pxepilot.Entry{At: at, What: pxepilot.Deployed, Actor: "api", Of: fmt.Sprint("c", n)}
	width := 1
	if n%10 == 0 {
		width = 300
	}
	for i := range width {
		e.Hosts = append(e.Hosts, pxepilot.Switch{Host: fmt.Sprint("h", (n+int64(i))%300)})
	}
	e.Hosts[0].Armed = &pxepilot.Arming{Host: e.Hosts[0].Host, Generation: uint64(n)}
	return e
}

// writeOn writes one deed after the other, and tells each that is written.
func writeOn(args []string) error {
	ctx := context.Background()
	j, err := openWith(ctx, Options{Directory: args[0]}, pace{lock: lockWait, quiet: 0})
	if err != nil {
		return err
	}
	for {
		n := j.lastID + 1
		if err := j.Write(ctx, deed(n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestKilled: a process that writes is killed again and again. What it had told to
// be written is there, whole, and at most the next record besides.
func TestKilled(t *testing.T) {
	rounds := 20
	if testenv.Soak() {
		rounds = 200
	}
	dir, err := os.MkdirTemp(fast(), "pxe-pilot-journal-")
	must(t, err)
	defer os.RemoveAll(dir)
	m := newModel()
	written := int64(0)
	for range rounds {
		cmd := child(t, "write", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		told := written
		lines := bufio.NewScanner(out)
		for most := rand.Int64N(60); told < written+most && lines.Scan(); {
			if told, err = strconv.ParseInt(lines.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Process.Kill()
		for lines.Scan() { // it was told, and nobody had read it yet
			told, _ = strconv.ParseInt(lines.Text(), 10, 64)
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("it ended by itself: %v", err)
		}
		f := newFixture(t, dir, Options{})
		if f.lastID != told && f.lastID != told+1 {
			t.Fatalf("%d were told to be written, and %d are there", told, f.lastID)
		}
		for ; written < f.lastID; written++ {
			r := deed(written + 1)
			r.New[0].ID, r.Armed[0].Entry = written+1, written+1
			r.New[0].Count = len(r.New[0].Hosts)
			m.write(r)
		}
		f.same(m.remember())
		f.answers(pxepilot.Question{Most: 30}, m.ask(pxepilot.Question{Most: 30}))
		f.answers(pxepilot.Question{Host: "h7", Hosts: 1}, m.ask(pxepilot.Question{Host: "h7", Hosts: 1}))
		f.must(f.Close())
	}
	t.Logf("%d records in %d rounds", written, rounds)
}
