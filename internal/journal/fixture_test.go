package journal

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A fixture is a journal whose task behind is not running: what that does, the
// test does when it likes.
type fixture struct {
	*Journal
	t   interface{ Fatal(...any) }
	dir string
}

func newFixture(t interface{ Fatal(...any) }, dir string, o Options) *fixture {
	o.Directory = dir
	j, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	j.stop()
	<-j.stopped
	return &fixture{j, t, dir}
}

func (f *fixture) must(err error) {
	if err != nil {
		f.t.Fatal(err)
	}
}

// write writes the record to the journal and to the model.
func (f *fixture) write(m *model, r *pxepilot.Record) {
	f.must(f.Write(context.Background(), r))
	m.write(r)
}

// pruned forgets all that is to be forgotten, and tells in how many pieces.
func (f *fixture) pruned() (pieces int) {
	for {
		pieces++
		more, err := f.Prune(context.Background())
		f.must(err)
		if !more {
			return pieces
		}
	}
}

// same compares what the journal remembers with what it should.
func (f *fixture) same(want *pxepilot.Memory) {
	got, err := f.Remember(context.Background())
	f.must(err)
	if d := gocmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		f.t.Fatal("it remembers (-want +got):\n" + d)
	}
}

func (f *fixture) answers(q pxepilot.Question, want []pxepilot.Entry) {
	got, err := f.Entries(context.Background(), q)
	f.must(err)
	if d := gocmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		f.t.Fatal(fmt.Sprintf("%+v (-want +got):\n%s", q, d))
	}
}

// crashed is a copy of the files as a crash at this moment would leave them.
func (f *fixture) crashed(dir string) {
	for _, name := range []string{database, database + "-wal"} {
		copyFile(f.t, filepath.Join(dir, name), filepath.Join(f.dir, name))
	}
}

func copyFile(t interface{ Fatal(...any) }, to, from string) {
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// checks sets how often a property is tried, unless a flag says so.
func checks(t *testing.T, normal, soak int) {
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	n := normal
	if testenv.Soak() {
		n = soak
	}
	must(t, flag.Set(f.Name, strconv.Itoa(n)))
	t.Cleanup(func() { _ = flag.Set(f.Name, f.DefValue) })
}

// fast is where directories are for tests that need no real disk, for no power cut
// is part of them: in memory, where there is that.
func fast() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

// tempDirs makes directories for one run of a property.
func tempDirs(t *rapid.T) func() string {
	base, err := os.MkdirTemp(fast(), "pxe-pilot-journal-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	n := 0
	return func() string {
		n++
		dir := filepath.Join(base, fmt.Sprint(n))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
}
