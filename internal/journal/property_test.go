package journal

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// What random records are about.
var (
	hostNames = rapid.SampledFrom([]string{"h1", "h2", "h3", "h10", "rack1-node7", "Ünïcode", "h 1", "host h1", "x\x00y"})
	words     = rapid.SampledFrom([]string{"", "local", "ubuntu-24.04", "wipe", "it's \"quoted\"; DROP TABLE entries", "a\x00b", "\xff\xfe", "é"})
	digests   = rapid.OneOf(rapid.SampledFrom([]string{"", "00ff", "0", "xyz", "ABCD", "deadbeef\x00"}), rapid.StringMatching(`[0-9a-f]{64}`))
	actors    = rapid.SampledFrom([]string{"api", "timer", "hand", "host h1", ""})
	moments   = rapid.OneOf(
		rapid.Custom(func(t *rapid.T) time.Time {
			return at.Add(time.Duration(rapid.Int64Range(-1000, 1000).Draw(t, "hours")) * time.Hour)
		}),
		rapid.SampledFrom([]time.Time{{}, time.Unix(0, 0).UTC(), at.AddDate(-1, 0, 0), at.AddDate(200, 0, 0)}))
	states  = rapid.SampledFrom([]pxepilot.State{pxepilot.Configured, pxepilot.None, pxepilot.Mixed, "", "of a later version"})
	results = rapid.SampledFrom([]pxepilot.Result{pxepilot.UnderWay, pxepilot.Done, pxepilot.NotDone, pxepilot.Unclear})
	boots   = rapid.Custom(func(t *rapid.T) pxepilot.Boot {
		return pxepilot.Boot{State: states.Draw(t, "state"), Configuration: words.Draw(t, "configuration"), Digest: digests.Draw(t, "digest")}
	})
	switches = rapid.Custom(func(t *rapid.T) pxepilot.Switch {
		return pxepilot.Switch{
			Host: hostNames.Draw(t, "host"), Before: boots.Draw(t, "before"), After: boots.Draw(t, "after"), Result: results.Draw(t, "result"),
		}
	})
	entries = rapid.Custom(func(t *rapid.T) *pxepilot.Entry {
		e := &pxepilot.Entry{
			At:     moments.Draw(t, "at"),
			What:   rapid.SampledFrom([]pxepilot.What{pxepilot.Deployed, pxepilot.Failed, pxepilot.ByHand}).Draw(t, "what"),
			Actor:  actors.Draw(t, "actor"),
			From:   words.Draw(t, "from"),
			Of:     words.Draw(t, "of"),
			Why:    words.Draw(t, "why"),
			Result: results.Draw(t, "result"),
			Error:  words.Draw(t, "error"),
			Undoes: rapid.Int64Range(0, 9).Draw(t, "undoes"),
			Loud:   rapid.Bool().Draw(t, "loud"),
			Log:    words.Draw(t, "log"),
			Hosts:  rapid.SliceOfNDistinct(switches, 0, 5, func(s pxepilot.Switch) string { return s.Host }).Draw(t, "hosts"),
		}
		if rapid.IntRange(0, 19).Draw(t, "wide") == 0 {
			for i := range rapid.IntRange(piece-2, 3*piece).Draw(t, "width") {
				e.Hosts = append(e.Hosts, pxepilot.Switch{Host: fmt.Sprint("w", i)})
			}
		}
		if len(e.Hosts) == 0 {
			e.Hosts = nil
		}
		return e
	})
	armings = rapid.Custom(func(t *rapid.T) pxepilot.Arming {
		a := pxepilot.Arming{
			Host:          hostNames.Draw(t, "host"),
			Generation:    rapid.OneOf(rapid.Uint64Range(0, 99), rapid.Just(uint64(math.MaxUint64))).Draw(t, "generation"),
			Entry:         rapid.Int64Range(0, 5).Draw(t, "entry"),
			Configuration: words.Draw(t, "configuration"),
			Then:          words.Draw(t, "then"),
			OnTimeout:     rapid.SampledFrom([]pxepilot.OnTimeout{pxepilot.SwitchOnTimeout, pxepilot.KeepOnTimeout}).Draw(t, "on timeout"),
			Within:        time.Duration(rapid.Int64().Draw(t, "within")),
			Armed:         moments.Draw(t, "armed"),
			Deadline:      pxepilot.Deadline{Boot: words.Draw(t, "boot"), Since: time.Duration(rapid.Int64().Draw(t, "since")), Wall: moments.Draw(t, "wall")},
			Suspended:     words.Draw(t, "suspended"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "MACs") {
			a.MACs = append(a.MACs, pxepilot.MAC(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "MAC")))
		}
		if rapid.Bool().Draw(t, "failed") {
			a.Failure = &pxepilot.Failure{At: moments.Draw(t, "failure"), Reason: words.Draw(t, "reason"), Entry: rapid.Int64Range(0, 5).Draw(t, "told")}
		}
		return a
	})
)

// record draws one that fits what is there.
func (m *model) record(t *rapid.T) *pxepilot.Record {
	r := &pxepilot.Record{
		New:      rapid.SliceOfN(entries, 0, 3).Draw(t, "new"),
		Armed:    rapid.SliceOfNDistinct(armings, 0, 2, func(a pxepilot.Arming) string { return a.Host }).Draw(t, "armed"),
		Disarmed: rapid.SliceOfN(hostNames, 0, 2).Draw(t, "disarmed"),
		Known:    rapid.MapOfN(hostNames, boots, 0, 3).Draw(t, "known"),
		Contents: rapid.MapOfN(words, digests, 0, 2).Draw(t, "contents"),
	}
	if len(m.entries) > 0 && rapid.Bool().Draw(t, "finishes") {
		e := rapid.SampledFrom(m.entries).Draw(t, "finished")
		e.Result, e.Why, e.Error, e.Loud = results.Draw(t, "result"), words.Draw(t, "why"), words.Draw(t, "error"), !e.Loud
		e.Hosts = slices.Clone(e.Hosts)
		for i := range e.Hosts {
			e.Hosts[i].After.Digest = "0123"
		}
		r.Finished = append(r.Finished, &e)
	}
	return r
}

var questions = rapid.Custom(func(t *rapid.T) pxepilot.Question {
	maybe := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, name) == 0 }
	var q pxepilot.Question
	if maybe("by host") {
		q.Host = hostNames.Draw(t, "host")
	}
	if maybe("by actor") {
		q.Actor = actors.Draw(t, "actor")
	}
	if maybe("since") {
		q.Since = moments.Draw(t, "moment")
	}
	if maybe("page") {
		q.Before = rapid.Int64Range(1, 30).Draw(t, "before")
	}
	if rapid.IntRange(0, 9).Draw(t, "one") == 0 {
		q.ID = rapid.Int64Range(1, 30).Draw(t, "ID")
	}
	q.Most = rapid.IntRange(0, 4).Draw(t, "most")
	q.Hosts = rapid.IntRange(0, 3).Draw(t, "hosts")
	return q
})

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
