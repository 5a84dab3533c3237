package app

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // as another program that opens the journal

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/journal"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// A server starts on whatever became of its journal: machines boot, lists and
// explanations are answered, changes are refused in a clear line, and nothing is told
// of what nobody knows. Where the journal is not required, changes are made.
func TestBrokenJournals(t *testing.T) {
	query := func(t *testing.T, path, text string) {
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		says  string
	}{
		{"cut in the middle", func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err == nil {
				err = os.Truncate(path, info.Size()/2)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		{"empty", func(t *testing.T, path string) {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		{"from a newer version", func(t *testing.T, path string) { query(t, path, "PRAGMA user_version = 99") }, "is of format 99"},
		{"of another program", func(t *testing.T, path string) { query(t, path, "PRAGMA application_id = 7") }, "is the database of another program"},
		{"of another server", func(t *testing.T, path string) {
			f, err := os.OpenFile(filepath.Join(filepath.Dir(path), "journal.lock"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
		}, "another server uses the state directory"},
	} {
		for _, required := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, required %t", tt.name, required), func(t *testing.T) {
				t.Parallel()
				s := newJournalSite(t, fmt.Sprintf("state: {required: %t}\n", required))
				s.serve(func(ctx context.Context, p *pilot.Pilot) { s.deploy(ctx, p, "ubuntu", "h0", "h1") })
				s.open()
				tt.spoil(t, filepath.Join(s.state, "journal.db"))
				s.serve(func(ctx context.Context, p *pilot.Pilot) { s.goesOn(ctx, p, required, tt.says) })
				if !strings.Contains(s.log.String(), "the journal does not work") {
					t.Errorf("the log does not say so:\n%s", s.log.String())
				}
			})
		}
	}
}

// open lets everybody read the root, as a TFTP server needs it.
func (s *journalSite) open() {
	err := filepath.WalkDir(filepath.Dir(s.root), func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil || path == s.state:
			return err
		case d.IsDir():
			return os.Chmod(path, 0o755)
		case d.Type().IsRegular():
			return os.Chmod(path, 0o644)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// goesOn wants of a server whose journal is broken what it can do without.
func (s *journalSite) goesOn(ctx context.Context, p *pilot.Pilot, required bool, says string) {
	t := s.t
	if list, err := p.Hosts(ctx); err != nil || len(list.Hosts) != 3 {
		t.Errorf("hosts: %v", err)
	}
	if _, err := p.Explain(ctx, "h0", false); err != nil {
		t.Errorf("explain: %v", err)
	}
	given, err := p.Boot(ctx, "52:54:00:00:00:00", "pxelinux")
	if err != nil || given.Configuration != "ubuntu" {
		t.Errorf("boot: %+v, %v", given, err)
	}
	if err == nil {
		_ = given.File.Close()
	}
	unavailable := func(what string, err error) {
		t.Helper()
		if pxepilot.ErrorCode(err) != pxepilot.Unavailable || !strings.Contains(pxepilot.ErrorMessage(err), says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = p.Armed(ctx)
	unavailable("armed", err)
	_, err = p.Self(ctx, pilot.Callback{Host: "h0"})
	unavailable("self", err)
	_, err = p.Finish(ctx, pilot.Callback{Host: "h0"})
	unavailable("done", err)
	_, err = p.History(ctx, pxepilot.Question{})
	unavailable("history", err)
	c := pilot.Change{Want: pxepilot.Deploy, Configuration: "local", Hosts: []pilot.HostRef{{Name: "h0"}}}
	if _, err = p.Change(ctx, c); required {
		unavailable("a deploy", err)
	} else if err != nil {
		t.Errorf("a deploy: %v", err)
	}
	c.Configuration, c.Hosts[0].Once = "ubuntu", pilot.Once{Then: "local"}
	_, err = p.Change(ctx, c)
	unavailable("a deploy once", err)
}

// What is old is forgotten while the server runs.
func TestTend(t *testing.T) {
	now := time.Now()
	d := &diary{options: journal.Options{Directory: filepath.Join(t.TempDir(), "state"), Keep: 24 * time.Hour}}
	defer d.close()
	for _, ago := range []time.Duration{72 * time.Hour, 48 * time.Hour, time.Hour, 0} {
		if err := d.Write(t.Context(), &pxepilot.Record{New: []*pxepilot.Entry{{At: now.Add(-ago), What: pxepilot.Deployed, Actor: "api", Result: pxepilot.Done}}}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.tend(ctx) }()
	for deadline := time.After(time.Minute); ; {
		left, err := d.Entries(t.Context(), pxepilot.Question{})
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 2 {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("%d entries are left", len(left))
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
