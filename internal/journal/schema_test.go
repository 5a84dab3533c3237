package journal

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

var update = flag.Bool("update", false, "make the database of this version, if there is none, which later versions are tested with")

// golden is the database of a version as its program made it.
func golden(version int) string {
	return filepath.Join("testdata", fmt.Sprintf("version%d.db", version))
}

// goldenModel is what each of them holds: some deeds, of one host each.
func goldenModel(write func(*pxepilot.Record)) {
	for n := range int64(9) {
		write(deed(n + 1))
	}
	armed := pxepilot.Arming{
		Host: "h9", MACs: []pxepilot.MAC{{2, 0, 0, 0, 0, 9}}, Generation: 77, Entry: 9, Configuration: "ubuntu", Then: "local", DropUncovered: true, After: 75,
		OnTimeout: pxepilot.KeepOnTimeout, Within: pxepilot.DefaultWithin, Armed: at, Deadline: pxepilot.Moment{Boot: "b", Since: 5, Wall: at},
		Suspended: "it is gone", Failure: &pxepilot.Failure{At: at, Reason: "no disk", Entry: 8},
	}
	begun := armed
	begun.Failure = &pxepilot.Failure{At: at, Reason: "no disk"}
	write(&pxepilot.Record{
		New: []*pxepilot.Entry{{
			At: at, What: pxepilot.Failed, Actor: "host h9", From: "10.0.0.9", Of: "ubuntu", Why: "no disk", Result: pxepilot.Done, Undoes: 3, Loud: true,
			Log: "sda: none\nsdb: none\n", Hosts: []pxepilot.Switch{{Host: "h9", Before: pxepilot.Boot{State: pxepilot.Configured, Configuration: "ubuntu", Digest: "0123"}, Result: pxepilot.Unclear,
				Armed: &armed, Ended: &pxepilot.Arming{Host: "h9", Generation: 76, Then: "local", Finished: at}}},
		}},
		Armed:    []pxepilot.Arming{begun},
		Known:    map[string]pxepilot.Boot{"h1": {}},
		Contents: map[string]string{"local\x00grub": "beef"},
		Ended:    []pxepilot.Ended{{Arming: begun, How: pxepilot.Finished, At: at}},
	})
}

// written gives a record what it got when it was written.
func written(m *model, r *pxepilot.Record) {
	for i, e := range r.New {
		e.ID, e.Count = int64(len(m.entries)+i)+1, len(e.Hosts)
	}
	for i := range r.Armed {
		if a := &r.Armed[i]; a.Host != "h9" || a.Failure == nil {
			a.Entry = r.New[0].ID
		} else if a.Failure.Entry == 0 {
			a.Failure.Entry = r.New[0].ID
		}
	}
}

// TestVersions: the database of every version is brought to this one's, and all
// that was in it is there.
func TestVersions(t *testing.T) {
	if now := golden(len(migrations)); *update {
		f := newFixture(t, t.TempDir(), Options{})
		goldenModel(func(r *pxepilot.Record) { must(t, f.Write(t.Context(), r)) })
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, f.Backup(t.Context(), now))
		must(t, os.Chmod(now, 0o644))
		must(t, f.Close())
	}
	for version := 1; version <= len(migrations); version++ {
		dir := t.TempDir()
		copyFile(t, filepath.Join(dir, database), golden(version))
		f, m := newFixture(t, dir, Options{}), newModel()
		goldenModel(func(r *pxepilot.Record) {
			written(m, r)
			if version == 1 {
				asInVersion1(r)
			}
			m.write(r)
		})
		f.same(m.remember())
		for _, q := range []pxepilot.Question{{}, {Host: "h9"}, {Host: "h9", Hosts: 1}, {Actor: "host h9"}, {ID: 10}} {
			f.answers(q, m.ask(q))
		}
		f.write(m, deed(11))
		f.same(m.remember())
		f.loose = 1 << 40
		must(t, f.together(t.Context()))
		f.same(m.remember())
		must(t, f.Close())
	}
}

// asInVersion1 takes away what that version had no place for.
func asInVersion1(r *pxepilot.Record) {
	for _, e := range slices.Concat(r.New, r.Finished) {
		for i := range e.Hosts {
			e.Hosts[i].Armed, e.Hosts[i].Ended = nil, nil
		}
	}
	for i := range r.Armed {
		a := &r.Armed[i]
		a.DropUncovered, a.Finished, a.After = false, time.Time{}, 0
		if a.Failure != nil {
			a.Failure.Entry = r.New[0].ID // as they were numbered then
		}
	}
	r.Ended = nil
}

// TestMigrate: a migration happens as a whole or not at all, once, and nothing
// that a newer version made is touched.
func TestMigrate(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, database)
	run := func(later ...string) error {
		w, err := newWriter(path)
		must(t, err)
		defer w.close()
		return migrate(w, append(slices.Clone(migrations), later...))
	}
	check := func(want string) {
		t.Helper()
		w, err := newWriter(path)
		must(t, err)
		defer w.close()
		var got string
		must(t, w.row(`SELECT (SELECT count(*) FROM entries) || ' ' || (SELECT group_concat(name) FROM pragma_table_info('later')) || ' ' || user_version FROM pragma_user_version`, nil, &got))
		if got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	two := `CREATE TABLE later (a INTEGER) STRICT; INSERT INTO later SELECT id FROM entries;`
	must(t, run(two))
	check("25 a 3")
	if err := run(two, `ALTER TABLE later ADD COLUMN b INTEGER; DELETE FROM entries; INSERT INTO nothing VALUES (1);`); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Error(err)
	}
	check("25 a 3")
	must(t, run(two, `ALTER TABLE later ADD COLUMN b INTEGER;`, `ALTER TABLE later ADD COLUMN c INTEGER;`))
	check("25 a,b,c 5")
	refused(t, run(two), dir, "the journal is of format 5 and this version of the program knows formats up to 3; install the newer version again, or restore a backup of before")
	check("25 a,b,c 5")
}
