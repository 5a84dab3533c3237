package journal

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

var at = time.Date(2026, 11, 6, 17, 30, 0, 123456000, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func opened(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := Open(t.Context(), Options{Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

// TestOneShot is what a server writes of an install that is meant once, and what
// the next one remembers at each step. Any directory will do.
func TestOneShot(t *testing.T) {
	f := newFixture(t, filepath.Join(t.TempDir(), "state ?#%41&é"), Options{})
	defer func() { f.Close() }()
	local := pxepilot.Boot{State: pxepilot.Configured, Configuration: "local", Digest: "00ff"}
	ubuntu := pxepilot.Boot{State: pxepilot.Configured, Configuration: "ubuntu"}
	want := &pxepilot.Memory{Known: map[string]pxepilot.Boot{}, Contents: map[string]string{}}
	write := func(r *pxepilot.Record) {
		t.Helper()
		must(t, f.Write(t.Context(), r))
		must(t, f.Close())
		f = newFixture(t, f.dir, Options{})
		f.same(want)
	}
	deploy := &pxepilot.Entry{
		At: at, What: pxepilot.Deployed, Actor: "api", From: "10.0.0.9", Of: "ubuntu",
		Hosts: []pxepilot.Switch{{Host: "h1", Before: local, After: ubuntu}},
	}
	armed := pxepilot.Arming{
		Host: "h1", MACs: []pxepilot.MAC{{2, 0, 0, 0, 0, 1}}, Generation: 4, Configuration: "ubuntu", Then: "local",
		OnTimeout: pxepilot.SwitchOnTimeout, Within: pxepilot.DefaultWithin, Armed: at,
		Deadline: pxepilot.Moment{Boot: "b1", Since: time.Hour, Wall: at.Add(pxepilot.DefaultWithin)},
	}

	begun := armed
	deploy.Hosts[0].Armed = &begun
	r := &pxepilot.Record{New: []*pxepilot.Entry{deploy}, Armed: []pxepilot.Arming{armed}}
	intended := *deploy
	intended.Hosts = slices.Clone(deploy.Hosts)
	intended.ID, intended.Count = 1, 1
	armed.Entry = 1
	want.Generation, want.UnderWay, want.Armings = 4, []*pxepilot.Entry{&intended}, []pxepilot.Arming{armed}
	write(r)
	if deploy.ID != 1 || r.Armed[0].Entry != 1 {
		t.Errorf("the entry has the ID %d, and the arming names %d", deploy.ID, r.Armed[0].Entry)
	}

	deploy.Result = pxepilot.Done
	ubuntu.Digest = "abcd"
	deploy.Hosts[0].After = ubuntu
	want.UnderWay = nil
	want.Known["h1"] = ubuntu
	write(&pxepilot.Record{Finished: []*pxepilot.Entry{deploy}, Known: map[string]pxepilot.Boot{"h1": ubuntu}})

	armed.Failure = &pxepilot.Failure{At: at.Add(time.Minute), Reason: "no disk"}
	failed := &pxepilot.Entry{
		At: at.Add(time.Minute), What: pxepilot.Failed, Actor: "host h1", From: "10.0.0.1", Of: "ubuntu", Why: "no disk",
		Result: pxepilot.Done, Loud: true, Log: strings.Repeat("sda: I/O error\n", 4000), Hosts: []pxepilot.Switch{{Host: "h1", Before: ubuntu, After: ubuntu}},
	}
	told := armed
	told.Failure = &pxepilot.Failure{At: armed.Failure.At, Reason: "no disk", Entry: 2}
	want.Armings = []pxepilot.Arming{told}
	write(&pxepilot.Record{New: []*pxepilot.Entry{failed}, Armed: []pxepilot.Arming{armed}})

	want.Armings, want.Ended = nil, []pxepilot.Ended{{Arming: told, How: pxepilot.Finished, At: at.Add(time.Hour)}}
	want.Contents["ubuntu\x00grub"] = "beef"
	write(&pxepilot.Record{Disarmed: []string{"h1"}, Ended: want.Ended, Contents: map[string]string{"ubuntu\x00grub": "beef"}})

	f.answers(pxepilot.Question{ID: 2}, []pxepilot.Entry{*failed})
	short := *failed
	short.Log = ""
	f.answers(pxepilot.Question{Host: "h1"}, []pxepilot.Entry{short, *deploy})
}

// TestQuestions: entries 1 to 6 are an hour apart, but for the fifth, whose clock
// was wrong.
func TestQuestions(t *testing.T) {
	f := newFixture(t, t.TempDir(), Options{})
	defer f.Close()
	entry := func(hours int, actor, hosts string) *pxepilot.Entry {
		e := &pxepilot.Entry{At: at.Add(time.Duration(hours) * time.Hour), Actor: actor, Result: pxepilot.Done}
		for _, h := range strings.Fields(hosts) {
			e.Hosts = append(e.Hosts, pxepilot.Switch{Host: h})
		}
		return e
	}
	write := func(entries ...*pxepilot.Entry) { must(t, f.Write(t.Context(), &pxepilot.Record{New: entries})) }
	write(entry(0, "api", "h1 h2 h3"), entry(1, "api", "h2"), entry(2, "timer", "h1"))
	must(t, f.catchUp(t.Context()))
	write(entry(3, "api", "h3 h1"), entry(-9000, "hand", "h1"), entry(5, "timer", ""))
	for _, tt := range []struct {
		ask  pxepilot.Question
		want string
	}{
		{pxepilot.Question{}, "6() 5(h1) 4(h3 h1) 3(h1) 2(h2) 1(h1 h2 h3)"},
		{pxepilot.Question{Most: 2}, "6() 5(h1)"},
		{pxepilot.Question{Most: 2, Before: 5}, "4(h3 h1) 3(h1)"},
		{pxepilot.Question{Before: 1}, ""},
		{pxepilot.Question{Hosts: 1}, "6() 5(h1) 4(h3) 3(h1) 2(h2) 1(h1)"},
		{pxepilot.Question{Host: "h1"}, "5(h1) 4(h3 h1) 3(h1) 1(h1 h2 h3)"},
		{pxepilot.Question{Host: "h1", Most: 3}, "5(h1) 4(h3 h1) 3(h1)"},
		{pxepilot.Question{Host: "h1", Most: 1, Before: 4}, "3(h1)"},
		{pxepilot.Question{Host: "h3", Hosts: 1}, "4(h3) 1(h3)"},
		{pxepilot.Question{Host: "h3", Hosts: 2}, "4(h3 h1) 1(h3 h1)"},
		{pxepilot.Question{Host: "h4"}, ""},
		{pxepilot.Question{Actor: "timer"}, "6() 3(h1)"},
		{pxepilot.Question{Actor: "api", Host: "h1"}, "4(h3 h1) 1(h1 h2 h3)"},
		{pxepilot.Question{Since: at.Add(2 * time.Hour)}, "6() 4(h3 h1) 3(h1)"},
		{pxepilot.Question{Since: at.Add(2 * time.Hour), Host: "h1"}, "4(h3 h1) 3(h1)"},
		{pxepilot.Question{Since: at.Add(9 * time.Hour)}, ""},
		{pxepilot.Question{ID: 2}, "2(h2)"},
		{pxepilot.Question{ID: 7}, ""},
	} {
		entries, err := f.Entries(t.Context(), tt.ask)
		must(t, err)
		var got []string
		for _, e := range entries {
			var hosts []string
			for _, h := range e.Hosts {
				hosts = append(hosts, h.Host)
			}
			got = append(got, fmt.Sprintf("%d(%s)", e.ID, strings.Join(hosts, " ")))
			if count := []int{3, 1, 1, 2, 1, 0}[e.ID-1]; e.Count != count {
				t.Errorf("entry %d is about %d hosts, not %d", e.ID, e.Count, count)
			}
		}
		if d := gocmp.Diff(tt.want, strings.Join(got, " ")); d != "" {
			t.Errorf("%+v: %s", tt.ask, d)
		}
	}
}

// TestHalfIndexed: an entry is found once by each of its hosts, however far the index
// is made.
func TestHalfIndexed(t *testing.T) {
	f := newFixture(t, t.TempDir(), Options{})
	defer f.Close()
	intent, _ := deployOf(3 * piece)
	must(t, f.Write(t.Context(), intent))
	hosts := intent.New[0].Hosts
	for more := true; more; {
		for _, q := range []pxepilot.Question{{Host: hosts[0].Host}, {Host: hosts[len(hosts)-1].Host}, {Actor: "api"}} {
			if got := f.ids(q); got != "1" {
				t.Errorf("%+v is answered by %q", q, got)
			}
		}
		var err error
		more, err = f.indexPiece(t.Context())
		must(t, err)
	}
}

// TestNumbers: armings and failures get the last new entry about their hosts, and
// keep the one that they name.
func TestNumbers(t *testing.T) {
	f := newFixture(t, t.TempDir(), Options{})
	defer f.Close()
	generation := uint64(0)
	about := func(what pxepilot.What, hosts ...string) *pxepilot.Entry {
		e := &pxepilot.Entry{At: at, What: what}
		for _, h := range hosts {
			s := pxepilot.Switch{Host: h}
			if what == pxepilot.Deployed {
				generation++
				s.Armed = &pxepilot.Arming{Host: h, Generation: generation}
			}
			e.Hosts = append(e.Hosts, s)
		}
		return e
	}
	r := &pxepilot.Record{
		New: []*pxepilot.Entry{about(pxepilot.Deployed, "h1", "h2"), about(pxepilot.Failed, "h2", "h3"), about(pxepilot.Cleared, "h1", "h4")},
		Armed: []pxepilot.Arming{
			{Host: "h1", Generation: 1}, {Host: "h2", Generation: 2, Failure: &pxepilot.Failure{}}, {Host: "h3", Generation: 9, Entry: 77, Failure: &pxepilot.Failure{Entry: 78}},
			{Host: "h5", Generation: 10},
		},
	}
	must(t, f.Write(t.Context(), r))
	got := fmt.Sprint(r.New[0].ID, r.New[1].ID, r.New[2].ID)
	for _, a := range r.Armed {
		got += fmt.Sprint(", ", a.Host, " ", a.Entry)
		if a.Failure != nil {
			got += fmt.Sprint(" ", a.Failure.Entry)
		}
	}
	if want := "1 2 3, h1 1, h2 1 2, h3 77 78, h5 0"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// TestNotFinished: a result must be of an entry that is there, with all its hosts.
func TestNotFinished(t *testing.T) {
	f := newFixture(t, t.TempDir(), Options{})
	defer f.Close()
	must(t, f.Write(t.Context(), &pxepilot.Record{New: []*pxepilot.Entry{deedEntry(10)}}))
	some, err := f.Entries(t.Context(), pxepilot.Question{Hosts: 2})
	must(t, err)
	for want, e := range map[string]*pxepilot.Entry{
		"the journal has no entry 5 to be finished":                              {ID: 5},
		"entry 1 of the journal is about 300 hosts and would be finished with 2": &some[0],
	} {
		err := f.Write(t.Context(), &pxepilot.Record{New: []*pxepilot.Entry{{At: at}}, Finished: []*pxepilot.Entry{e}})
		if pxepilot.ErrorCode(err) != pxepilot.Internal || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if f.rows("entries") != 1 {
		t.Error("a part of it was written")
	}
}

func TestClosed(t *testing.T) {
	j := opened(t, t.TempDir())
	must(t, j.Close())
	ctx := context.Background()
	_, remember := j.Remember(ctx)
	_, entries := j.Entries(ctx, pxepilot.Question{})
	_, prune := j.Prune(ctx)
	for _, err := range []error{j.Write(ctx, deed(1)), remember, entries, prune, j.Backup(ctx, filepath.Join(t.TempDir(), "backup"))} {
		refused(t, err, "", "the journal is closed, for the server ends; try again")
	}
}
