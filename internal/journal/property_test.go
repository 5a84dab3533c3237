package journal

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

// TestModel does what a server does to a journal, in any order, and compares it
// with plain values.
func TestModel(t *testing.T) {
	checks(t, 30, 3000)
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		dirs := tempDirs(t)
		var now time.Time
		o := Options{Keep: 500 * time.Hour, Now: func() time.Time { return now }}
		m, f := newModel(), newFixture(t, dirs(), o)
		defer func() { f.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) { f.write(m, m.record(t)) },
			"write, and fail": func(t *rapid.T) {
				r := m.record(t)
				r.Finished = append(r.Finished, &pxepilot.Entry{ID: 1 << 40})
				armed := slices.Clone(r.Armed)
				if err := f.Write(ctx, r); pxepilot.ErrorCode(err) != pxepilot.Internal {
					t.Fatal(err)
				}
				for _, e := range r.New {
					if e.ID != 0 {
						t.Fatalf("an entry that is not written has the ID %d", e.ID)
					}
				}
				if d := gocmp.Diff(armed, r.Armed); d != "" {
					t.Fatal(d)
				}
			},
			"ask": func(t *rapid.T) {
				q := questions.Draw(t, "question")
				f.answers(q, m.ask(q))
			},
			"index":         func(t *rapid.T) { _, err := f.indexPiece(ctx); f.must(err) },
			"catch up":      func(t *rapid.T) { f.must(f.catchUp(ctx)) },
			"put together":  func(t *rapid.T) { f.loose = 1 << 40; f.must(f.together(ctx)) },
			"checkpoint":    func(t *rapid.T) { _, err := f.readers.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`); f.must(err) },
			"start again":   func(t *rapid.T) { f.must(f.Close()); f = newFixture(t, f.dir, o) },
			"prune a piece": func(t *rapid.T) { now = time.Time{}; _, err := f.Prune(ctx); f.must(err) }, // nothing is old
			"prune": func(t *rapid.T) {
				if len(m.entries) == 0 {
					return
				}
				now = moments.Draw(t, "now")
				f.pruned()
				m.forget(func(e *pxepilot.Entry) bool { return !e.At.Before(now.Add(-o.Keep)) })
			},
			"crash": func(t *rapid.T) {
				dir := dirs()
				f.crashed(dir)
				f.must(f.Close())
				f = newFixture(t, dir, o)
			},
			"restore a backup": func(t *rapid.T) {
				dir := dirs()
				f.must(f.Backup(ctx, filepath.Join(dir, database)))
				f.must(f.Close())
				f = newFixture(t, dir, o)
			},
			"": func(t *rapid.T) { f.same(m.remember()) },
		})
	})
}

// logged is how long the write-ahead log is, without what is reserved.
func (f *fixture) logged() int {
	var blocked, pages, saved int
	f.must(f.readers.QueryRow(`PRAGMA wal_checkpoint(NOOP)`).Scan(&blocked, &pages, &saved))
	return 32 + pages*(24+4096) // section 4.1 of https://sqlite.org/fileformat2.html
}

// TestEveryPrefix: whatever part of what was written last is lost in a crash, what
// is there is what was there after one of the writes, and after no earlier one than
// all of it is there.
func TestEveryPrefix(t *testing.T) {
	checks(t, 30, 3000)
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		dirs := tempDirs(t)
		f := newFixture(t, dirs(), Options{})
		f.must(f.Close()) // so that the database itself is in its file
		f = newFixture(t, f.dir, Options{})
		defer f.Close()
		m := newModel()
		var after []*model // each write
		var sizes []int    // of the log then
		for range rapid.IntRange(1, 6).Draw(t, "writes") {
			f.write(m, m.record(t))
			after, sizes = append(after, m.clone()), append(sizes, f.logged())
			if rapid.Bool().Draw(t, "behind") {
				f.must(f.catchUp(ctx))
				f.loose = 1 << 40
				f.must(f.together(ctx))
			}
		}
		log, err := os.ReadFile(f.path + "-wal")
		f.must(err)
		log = log[:f.logged()+rapid.IntRange(0, 5000).Draw(t, "more")]
		for range 5 {
			dir := dirs()
			copyFile(t, filepath.Join(dir, database), f.path)
			cut := rapid.IntRange(0, len(log)).Draw(t, "cut")
			torn := slices.Clone(log[:cut])
			if rapid.Bool().Draw(t, "garbage") { // in place of what is lost
				torn = append(torn, bytes.Repeat([]byte{0xa5}, len(log)-cut)...)
			}
			f.must(os.WriteFile(filepath.Join(dir, database+"-wal"), torn, 0o600))
			want := newModel()
			for i := range sizes {
				if sizes[i] <= cut {
					want = after[i]
				}
			}
			c := newFixture(t, dir, Options{})
			c.same(want.remember())
			c.answers(pxepilot.Question{}, want.ask(pxepilot.Question{}))
			c.answers(pxepilot.Question{Host: "h1"}, want.ask(pxepilot.Question{Host: "h1"}))
			c.must(c.Close())
		}
	})
}
