package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// ids are those of all entries, the earliest first.
func (f *fixture) ids(q pxepilot.Question) string {
	entries, err := f.Entries(context.Background(), q)
	f.must(err)
	var ids []string
	for _, e := range slices.Backward(entries) {
		ids = append(ids, fmt.Sprint(e.ID))
	}
	return strings.Join(ids, " ")
}

// rows counts those of a table.
func (f *fixture) rows(table string) (n int) {
	f.must(f.writer.row(`SELECT count(*) FROM `+table, nil, &n))
	return n
}

func TestPruneByAge(t *testing.T) {
	day := 24 * time.Hour
	var now time.Time
	f := newFixture(t, t.TempDir(), Options{Keep: 10 * day, Now: func() time.Time { return now }})
	defer f.Close()
	m := newModel()
	entry := func(days int, host string, result pxepilot.Result) *pxepilot.Entry {
		return &pxepilot.Entry{At: at.Add(time.Duration(days) * day), What: pxepilot.Deployed, Actor: "api", Result: result, Log: "log", Hosts: []pxepilot.Switch{{Host: host}}}
	}
	f.write(m, &pxepilot.Record{New: []*pxepilot.Entry{
		entry(0, "h1", pxepilot.Done),
		entry(1, "h2", pxepilot.UnderWay),
		entry(2, "h3", pxepilot.Done),  // armed by this one
		entry(3, "h3", pxepilot.Done),  // and failed
		entry(40, "h1", pxepilot.Done), // the clock was wrong
		entry(4, "h4", pxepilot.NotDone),
		entry(5, "h1", pxepilot.Done),
		entry(6, "h1", pxepilot.Done),
	}})
	f.write(m, &pxepilot.Record{Armed: []pxepilot.Arming{{Host: "h3", Entry: 3, Failure: &pxepilot.Failure{Entry: 4}}}})
	for _, tt := range []struct {
		day  int
		want string
	}{
		{-1000, "1 2 3 4 5 6 7 8"},
		{10, "1 2 3 4 5 6 7 8"}, // just as old as is kept
		{11, "2 3 4 5 6 7 8"},
		{15, "2 3 4 5 7 8"},
		{16, "2 3 4 5 8"},
		{1000, "2 3 4 8"}, // the last one stays, so that no ID is used again
	} {
		now = at.Add(time.Duration(tt.day) * day)
		f.pruned()
		if got := f.ids(pxepilot.Question{}); got != tt.want {
			t.Errorf("on day %d: %s, want %s", tt.day, got, tt.want)
		}
	}
	if got := f.ids(pxepilot.Question{Host: "h1"}) + ", " + f.ids(pxepilot.Question{Actor: "api"}); got != "8, 2 3 4 8" {
		t.Errorf("the index: %s", got)
	}
	if n, logs := f.rows("entries_by_subject"), f.rows("logs"); n != 8 || logs != 4 {
		t.Errorf("%d rows of the index and %d logs are left", n, logs)
	}
	f.write(m, &pxepilot.Record{Disarmed: []string{"h3"}, Finished: []*pxepilot.Entry{{ID: 2, Count: 1, Result: pxepilot.Unclear, Hosts: []pxepilot.Switch{{Host: "h2"}}}}})
	f.pruned()
	if got := f.ids(pxepilot.Question{}); got != "8" {
		t.Error(got)
	}
	e := entry(7, "h1", pxepilot.Done)
	must(t, f.Write(t.Context(), &pxepilot.Record{New: []*pxepilot.Entry{e}}))
	if e.ID != 9 {
		t.Errorf("the next one is %d", e.ID)
	}
}

// TestPruneBySize: the earliest entries go until the rest fits, a piece at a time,
// and what is written next finds room in the same file.
func TestPruneBySize(t *testing.T) {
	f := newFixture(t, t.TempDir(), Options{MaxSize: 300 << 10})
	defer f.Close()
	wide := func() *pxepilot.Record {
		intent, _ := deployOf(1000)
		intent.New[0].Result = pxepilot.Done
		return intent
	}
	for range 10 {
		must(t, f.Write(t.Context(), wide()))
	}
	if pieces := f.pruned(); pieces < 5*1000/piece {
		t.Errorf("in %d pieces", pieces)
	}
	size := func() (used, file int64) {
		must(t, f.writer.row(`SELECT (page_count - freelist_count) * page_size, page_count * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size`, nil, &used, &file))
		return used, file
	}
	used, file := size()
	entries, err := f.Entries(t.Context(), pxepilot.Question{Hosts: 1})
	must(t, err)
	if used > f.maxSize || used < f.maxSize/2 || len(entries) == 0 || entries[0].ID != 10 {
		t.Errorf("%d entries take %d bytes", len(entries), used)
	}
	if n := f.rows("entries_by_subject"); n != 1001*len(entries) {
		t.Errorf("%d rows of the index for %d entries", n, len(entries))
	}
	for range 10 {
		must(t, f.Write(t.Context(), wide()))
		f.pruned()
	}
	if _, now := size(); now > file {
		t.Errorf("the file grew from %d to %d bytes", file, now)
	}
	// What cannot fit: the last entry stays, and nobody tries for ever.
	f.maxSize = 1
	f.pruned()
	if got := f.ids(pxepilot.Question{}); got != "20" {
		t.Error(got)
	}
}

// TestPrunePiece: what is half forgotten when the server ends is forgotten by the
// next one.
func TestPrunePiece(t *testing.T) {
	o := Options{Keep: time.Hour, Now: func() time.Time { return at.Add(2 * time.Hour) }}
	f := newFixture(t, t.TempDir(), o)
	intent, result := deployOf(3 * piece)
	must(t, f.Write(t.Context(), intent))
	result.Finished[0].Result = pxepilot.Done
	must(t, f.Write(t.Context(), result))
	must(t, f.Write(t.Context(), &pxepilot.Record{New: []*pxepilot.Entry{{At: at}}}))
	more, err := f.Prune(t.Context())
	if err != nil || !more {
		t.Fatal(more, err)
	}
	if n := f.rows("entries_by_subject"); n != 2*piece+2 || f.rows("entries") != 2 {
		t.Errorf("%d rows are left after the first piece", n)
	}
	must(t, f.Close())
	f = newFixture(t, f.dir, o)
	defer f.Close()
	f.pruned()
	if n := f.rows("entries_by_subject"); n != 1 || f.rows("entries") != 1 {
		t.Errorf("%d rows are left", n)
	}
}
