package pilot

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// A bookSite is a pilot with a root and a journal in memory.
type bookSite struct {
	*Pilot
	t       testing.TB
	root    *linkRoot
	journal *fakeJournal
	options Options
}

func newBookSite(t testing.TB, hosts ...string) *bookSite {
	t.Helper()
	s := &bookSite{t: t, root: newLinkRoot(hosts...), journal: newFakeJournal()}
	s.start()
	return s
}

// start is a server that starts on what is there.
func (s *bookSite) start() {
	o := s.options
	o.Journal = s.journal
	s.Pilot = New(func() *Site { return s.root.site() }, func() error { return nil }, o)
	if s.root.fails == nil {
		_ = s.root.Recover(s.t.Context())
	}
	s.Begin(s.t.Context())
}

func (s *bookSite) deploy(configuration string, hosts ...string) (*Outcome, error) {
	return s.Change(s.t.Context(), Change{Want: pxepilot.Deploy, Configuration: configuration, Hosts: named(hosts...), By: Actor{Name: "api", From: "10.0.0.9"}})
}

func (s *bookSite) must(configuration string, hosts ...string) *Outcome {
	s.t.Helper()
	out, err := s.deploy(configuration, hosts...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *bookSite) look() { s.Pilot.look(s.t.Context()) }

func (s *bookSite) tells(want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.journal.told()); diff != "" {
		s.t.Error(diff)
	}
}

func (s *bookSite) boots(want string) {
	s.t.Helper()
	if got := s.root.boots(); got != want {
		s.t.Errorf("hosts boot %s, want %s", got, want)
	}
}

func TestChangesAreWrittenDown(t *testing.T) {
	s := newBookSite(t, "a", "b", "c")
	now := time.Date(2026, 11, 6, 17, 30, 0, 0, time.UTC)
	s.book.clock = func() pxepilot.Moment { return pxepilot.Moment{Wall: now} }
	if out := s.must("ubuntu", "b", "a"); out.Entry != 1 || out.Unrecorded != nil {
		t.Errorf("%+v", out)
	}
	s.must("ubuntu", "a")
	by := Actor{Name: "api"}
	for _, c := range []Change{
		{Want: pxepilot.Deploy, Configuration: "bios-only", Hosts: named("a"), DropUncovered: true},
		{Want: pxepilot.Deploy, Configuration: "local", Hosts: named("a"), DryRun: true},
		{Want: pxepilot.Repair, Hosts: named("b")},
		{Want: pxepilot.Clear, Hosts: named("b", "c")},
	} {
		c.By = by
		if _, err := s.Change(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	s.look()
	s.tells(
		"deploy by api: done, b none>ubuntu, a none>ubuntu",
		"deploy by api: done, a ubuntu>ubuntu",
		"deploy by api: done, a ubuntu>bios-only partly",
		"repair by api: done, b ubuntu>ubuntu",
		"clear by api: done, b ubuntu>none, c none>none",
	)
	e := s.journal.entries[0]
	if !e.At.Equal(now) || e.From != "10.0.0.9" || e.Of != "ubuntu" || e.Count != 2 || e.Hosts[0].After.Digest == "" {
		t.Errorf("%+v", e)
	}
}

// An intent is on the disk before the first link is switched, and the result
// before the answer.
func TestIntentComesFirst(t *testing.T) {
	s := newBookSite(t, "a")
	s.root.beforeStep = func(int) error {
		s.tells("deploy by api: , a none>ubuntu")
		return nil
	}
	s.must("ubuntu", "a")
	s.tells("deploy by api: done, a none>ubuntu")
}

func TestChangesThatFail(t *testing.T) {
	full := errors.New("no space")
	at := func(n int) func(int) error {
		return func(i int) error {
			if i == n {
				return full
			}
			return nil
		}
	}
	s := newBookSite(t, "a", "b")
	s.must("local", "a", "b")
	s.root.beforeStep = at(2)
	if _, err := s.deploy("ubuntu", "a", "b"); err == nil {
		t.Fatal("no error")
	}
	s.root.beforeStep, s.root.stuck = at(4), true
	if _, err := s.deploy("ubuntu", "a", "b"); pxepilot.ErrorCode(err) != pxepilot.Internal {
		t.Fatal(err)
	}
	s.boots("a local, b local") // for it was looked at once more at once
	s.root.lost = true
	if _, err := s.deploy("ubuntu", "a", "b"); pxepilot.ErrorCode(err) != pxepilot.Internal {
		t.Fatal(err)
	}
	s.boots("a ubuntu, b local")
	s.root.beforeStep, s.root.plan = nil, nil
	s.look()
	s.tells(
		"deploy by api: done, a none>local, b none>local",
		"deploy by api: not done, a local>ubuntu, b local>ubuntu (no space; nothing was switched)",
		"deploy by api: not done, a local>ubuntu, b local>ubuntu (no space; and undoing the change failed)",
		"deploy by api: unclear, a local>ubuntu done, b local>ubuntu not done (no space; and undoing the change failed) !",
	)
	// A change that the rules refuse is none.
	if _, err := s.deploy("bios-only", "a"); pxepilot.ErrorCode(err) != pxepilot.Conflict || len(s.journal.entries) != 4 {
		t.Errorf("%v, %d entries", err, len(s.journal.entries))
	}
}

func TestJournalThatFails(t *testing.T) {
	gone := pxepilot.Errorf(pxepilot.Unavailable, "there is no space left for the journal")
	s := newBookSite(t, "a", "b")
	s.must("local", "a")
	s.journal.fails = gone
	_, err := s.deploy("ubuntu", "a")
	if got, want := pxepilot.ErrorMessage(err), "nothing was switched, for it cannot be written down: there is no space left for the journal"; got != want || pxepilot.ErrorCode(err) != pxepilot.Unavailable {
		t.Errorf("%s", got)
	}
	s.boots("a local, b none")
	if _, err := s.Hosts(t.Context()); err != nil {
		t.Error(err)
	}
	if out, err := s.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: named("a"), DryRun: true}); err != nil || len(out.Steps) == 0 {
		t.Errorf("a dry run: %v", err)
	}

	// Only the result cannot be written: the change stands, and so it is told later.
	s.journal.fails = nil
	s.journal.beforeNext = func(n int) error {
		if s.journal.entries[len(s.journal.entries)-1].Result == pxepilot.UnderWay {
			return gone
		}
		return nil
	}
	out := s.must("ubuntu", "a")
	if got, want := pxepilot.ErrorMessage(out.Unrecorded), "the links were switched, but the journal does not tell so yet: there is no space left for the journal; it is tried again"; got != want {
		t.Errorf("%s", got)
	}
	s.boots("a ubuntu, b none")
	s.tells("deploy by api: done, a none>local", "deploy by api: , a local>ubuntu")
	if _, err := s.deploy("local", "b"); err == nil {
		t.Error("a change was made though an earlier one is not written down")
	}
	s.journal.beforeNext = nil
	s.look()
	s.tells("deploy by api: done, a none>local", "deploy by api: done, a local>ubuntu")
}

func TestWithoutState(t *testing.T) {
	s := newBookSite(t, "a", "b")
	s.options.Required = func() bool { return false }
	s.journal.fails = errors.New("gone")
	s.start()
	if out := s.must("ubuntu", "a"); out.Unrecorded != nil || out.Entry != 0 {
		t.Errorf("%+v", out)
	}
	s.must("local", "b")
	s.boots("a ubuntu, b local")
	s.tells()
	s.journal.fails = nil
	s.look()
	s.tells("deploy by api: done, a none>ubuntu", "deploy by api: done, b none>local")
	for range 2 * maxOwed {
		s.journal.fails = errors.New("gone")
		s.must("ubuntu", "b")
		s.must("local", "b")
	}
	s.journal.fails = nil
	s.look()
	if n := len(s.journal.entries); n != 2+maxOwed {
		t.Errorf("%d entries", n)
	}
}

func TestReconcile(t *testing.T) {
	for _, tt := range []struct {
		name  string
		crash func(s *bookSite)
		then  func(s *bookSite)
		want  string
	}{
		{"before the first link", func(s *bookSite) { s.root.beforeStep = func(int) error { panic(errCut) } }, func(s *bookSite) { s.root.plan = nil },
			"deploy by api: not done, a local>ubuntu, b local>ubuntu (the server was cut off before anything was switched)"},
		{"in the middle", func(s *bookSite) {
			s.root.beforeStep = func(i int) error {
				if i == 5 {
					panic(errCut)
				}
				return nil
			}
		}, nil, "deploy by api: done, a local>ubuntu, b local>ubuntu (found done after the server had been cut off)"},
		{"before the result", func(s *bookSite) {
			s.journal.beforeNext = func(n int) error {
				if n == 5 {
					panic(errCut)
				}
				return nil
			}
		}, nil, "deploy by api: done, a local>ubuntu, b local>ubuntu (found done after the server had been cut off)"},
		{"and a hand meanwhile", func(s *bookSite) {
			s.journal.beforeNext = func(n int) error {
				if n == 5 {
					panic(errCut)
				}
				return nil
			}
		}, func(s *bookSite) {
			for _, m := range s.root.inv.ByName("b").MACs {
				for _, l := range s.root.loaders {
					s.root.set(linkPath(l, m), "debian")
				}
			}
		}, "deploy by api: unclear, a local>ubuntu done, b local>ubuntu (the server was cut off, and not every host is as it was, nor every one as it should be) !"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newBookSite(t, "a", "b")
			s.must("local", "a", "b")
			tt.crash(s)
			if !crashes(func() { s.must("ubuntu", "a", "b") }) {
				t.Fatal("nothing was cut off")
			}
			s.root.beforeStep, s.journal.beforeNext = nil, nil
			if tt.then != nil {
				tt.then(s)
			}
			s.start()
			want := []string{"deploy by api: done, a none>local, b none>local", tt.want}
			if strings.Contains(tt.want, "unclear") {
				want = append(want, "hand by hand: done, b local>debian (while the server was down)")
			}
			s.tells(want...)
			s.start()
			s.tells(want...)
		})
	}
}

// What a crash left is looked at only once the root has resolved it.
func TestReconcileWaitsForTheRoot(t *testing.T) {
	s := newBookSite(t, "a")
	s.must("local", "a")
	s.root.beforeStep = func(i int) error {
		if i == 2 {
			panic(errCut)
		}
		return nil
	}
	crashes(func() { s.must("ubuntu", "a") })
	s.root.beforeStep, s.root.fails = nil, errors.New("not mounted")
	s.start()
	s.tells("deploy by api: done, a none>local", "deploy by api: , a local>ubuntu")
	s.root.fails = nil
	s.must("debian", "a")
	s.tells("deploy by api: done, a none>local",
		"deploy by api: done, a local>ubuntu (found done after the server had been cut off)",
		"deploy by api: done, a ubuntu>debian")
}
