package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// TestBackup: put in the place of a journal, the copy is that journal. That it is so
// whatever was done before is TestModel's.
func TestBackup(t *testing.T) {
	f := newFixture(t, t.TempDir(), Options{})
	defer f.Close()
	m := newModel()
	for n := range int64(12) {
		f.write(m, deed(n+1))
	}
	dir := t.TempDir()
	for name, do := range map[string]func(string) error{
		"of an open one":       func(to string) error { return f.Backup(t.Context(), to) },
		"of another process's": func(to string) error { return Backup(t.Context(), f.dir, to) },
	} {
		to := filepath.Join(dir, name)
		must(t, do(to))
		if err := do(to); pxepilot.ErrorCode(err) != pxepilot.Conflict || !strings.Contains(err.Error(), "is there already; name a new file for the backup") {
			t.Error(err)
		}
		restored := t.TempDir()
		copyFile(t, filepath.Join(restored, database), to)
		r := newFixture(t, restored, Options{})
		r.same(m.remember())
		r.answers(pxepilot.Question{Host: "h3"}, m.ask(pxepilot.Question{Host: "h3"}))
		r.write(m.clone(), deed(13))
		must(t, r.Close())
	}
	must(t, os.Symlink("nothing", filepath.Join(dir, "link")))
	if err := f.Backup(t.Context(), filepath.Join(dir, "link")); pxepilot.ErrorCode(err) != pxepilot.Conflict {
		t.Error(err)
	}
	if err := f.Backup(t.Context(), filepath.Join(dir, "missing/x")); pxepilot.ErrorCode(err) != pxepilot.Unavailable || !strings.Contains(err.Error(), "missing; name a file in one that is there") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Backup(ctx, filepath.Join(dir, "cancelled")); err != context.Canceled {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) > 0 || err != nil {
		t.Errorf("left over: %v", left)
	}
}

func TestBackupOfNothing(t *testing.T) {
	dir := t.TempDir()
	to := filepath.Join(dir, "backup")
	if err := Backup(t.Context(), dir, to); pxepilot.ErrorCode(err) != pxepilot.NotFound {
		t.Error(err)
	}
	refused(t, Backup(t.Context(), filepath.Join(dir, "missing"), to), dir, "the state directory (state.directory) is missing; make it, or see that its disk is mounted")
	broken := filled(t)
	must(t, os.Truncate(filepath.Join(broken, database), 8192))
	refused(t, Backup(t.Context(), broken, to), dir, damaged)
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestBackupWithoutRoom(t *testing.T) {
	small := mount(t, "size=64k")
	f := newFixture(t, t.TempDir(), Options{})
	defer f.Close()
	intent, _ := deployOf(2000)
	must(t, f.Write(t.Context(), intent))
	err := f.Backup(t.Context(), filepath.Join(small, "backup"))
	if pxepilot.ErrorCode(err) != pxepilot.Unavailable || !strings.HasPrefix(err.Error(), "there is no space left for the backup ") {
		t.Error(err)
	}
	if left, err := os.ReadDir(small); len(left) > 0 || err != nil {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// TestBackupAfterAKill has what only the log of the killed server has.
func TestBackupAfterAKill(t *testing.T) {
	restored := t.TempDir()
	must(t, Backup(t.Context(), killed(t), filepath.Join(restored, database)))
	f := newFixture(t, restored, Options{})
	defer f.Close()
	if f.lastID != 26 {
		t.Errorf("the last entry is %d", f.lastID)
	}
}

// TestRestoredBesideALog: a log that a killed server left is not put into a
// backup.
func TestRestoredBesideALog(t *testing.T) {
	dir := killed(t)
	other := filled(t)
	backup := filepath.Join(t.TempDir(), "backup")
	must(t, Backup(t.Context(), other, backup))
	copyFile(t, filepath.Join(dir, database), backup)
	_, err := Open(t.Context(), Options{Directory: dir})
	refused(t, err, dir, "journal.db in the state directory (state.directory) was restored from a backup, and journal.db-wal is of the one before; move journal.db-wal away")
	must(t, os.Remove(filepath.Join(dir, database+"-wal")))
	f := newFixture(t, dir, Options{})
	if f.lastID != 25 {
		t.Error(f.lastID)
	}
	must(t, f.Close())
}
