package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// TestBackupOfADirectory: whether a server has it open, was killed, or has ended.
func TestBackupOfADirectory(t *testing.T) {
	ctx := t.Context()
	dir, copies := filepath.Join(t.TempDir(), "state"), t.TempDir()
	j, err := Open(ctx, Options{Directory: dir})
	must(t, err)
	for i := range int64(3) {
		must(t, j.Write(ctx, deed(i)))
	}
	want, err := j.Entries(ctx, pxepilot.Question{})
	must(t, err)
	open := filepath.Join(copies, "open", database)
	must(t, os.Mkdir(filepath.Dir(open), 0o700))
	must(t, Backup(ctx, dir, open))
	killed := filepath.Join(copies, "killed")
	must(t, os.CopyFS(killed, os.DirFS(dir)))
	must(t, j.Write(ctx, deed(3)))
	must(t, j.Close())

	was := contents(t, dir)
	must(t, Backup(ctx, dir, filepath.Join(copies, "closed")))
	if d := cmp.Diff(was, contents(t, dir)); d != "" {
		t.Error("a backup changed the journal:", d)
	}
	after := filepath.Join(copies, "after", database)
	must(t, os.Mkdir(filepath.Dir(after), 0o700))
	must(t, Backup(ctx, killed, after))
	for _, path := range []string{open, after} {
		got, err := opened(t, filepath.Dir(path)).Entries(ctx, pxepilot.Question{})
		must(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(path, d)
		}
	}
}

// contents are the files of a directory, but for those that SQLite keeps while it is
// open.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	all := map[string]string{}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-wal") || strings.HasSuffix(e.Name(), "-shm") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		all[e.Name()] = string(text)
	}
	return all
}

func TestNoBackupOfADirectory(t *testing.T) {
	base := t.TempDir()
	place := func(name, text string) string {
		dir := filepath.Join(base, name)
		must(t, os.Mkdir(dir, 0o700))
		must(t, os.WriteFile(filepath.Join(dir, database), []byte(text), 0o600))
		return dir
	}
	whole := filepath.Join(base, "whole")
	opened(t, whole)
	for _, tt := range []struct{ dir, to, says string }{
		{filepath.Join(base, "none"), "x", "is missing"},
		{base, "x", "there is no journal in"},
		{place("garbage", "garbage, and more of it"), "x", "is damaged"},
		{place("empty", ""), "x", "is damaged"},
		{whole, "whole", "is there already"},
		{whole, "none/x", "the directory of"},
	} {
		err := Backup(t.Context(), tt.dir, filepath.Join(base, tt.to))
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s to %s: %v", tt.dir, tt.to, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(base, ".*"))
	if must(t, err); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
