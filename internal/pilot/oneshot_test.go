package pilot

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// A handClock is one that a test sets.
type handClock struct{ now pxepilot.Moment }

func (c *handClock) read() pxepilot.Moment { return c.now }

// pass lets time go by.
func (c *handClock) pass(d time.Duration) { c.now = c.now.In(d) }

// reboot is of the machine that serves, which takes a minute.
func (c *handClock) reboot(boot string) {
	c.now = pxepilot.Moment{Boot: boot, Since: 40 * time.Second, Wall: c.now.Wall.Add(time.Minute)}
}

// A onceSite is a bookSite whose time a test tells.
type onceSite struct {
	*bookSite
	clock *handClock
	timer *expiry
}

func newOnceSite(t testing.TB, hosts ...string) *onceSite {
	t.Helper()
	clock := &handClock{pxepilot.Moment{Boot: "first", Since: time.Hour, Wall: time.Date(2026, 11, 6, 17, 30, 0, 0, time.UTC)}}
	s := &onceSite{bookSite: &bookSite{t: t, root: newLinkRoot(hosts...), journal: newFakeJournal(), options: Options{Clock: clock.read}}, clock: clock}
	s.start()
	return s
}

func (s *onceSite) start() {
	s.bookSite.start()
	s.timer = newExpiry(s.Pilot)
}

// once deploys once, to be switched to local.
func (s *onceSite) once(configuration string, o Once, hosts ...string) (*Outcome, error) {
	refs := named(hosts...)
	for i := range refs {
		refs[i].Once = o
	}
	return s.Change(s.t.Context(), Change{Want: pxepilot.Deploy, Configuration: configuration, Hosts: refs, By: Actor{Name: "api", From: "10.0.0.9"}})
}

func (s *onceSite) arm(hosts ...string) {
	s.t.Helper()
	if _, err := s.once("ubuntu", Once{Then: "local"}, hosts...); err != nil {
		s.t.Fatal(err)
	}
}

// tick is a look of the timer.
func (s *onceSite) tick() time.Duration { return s.timer.round(s.t.Context()) }

func (s *onceSite) done(host string, generation uint64) error {
	_, err := s.Finish(s.t.Context(), Callback{Speaker: host, Generation: generation, From: "10.0.0.1"})
	return err
}

func (s *onceSite) failed(host string) error {
	_, err := s.Fail(s.t.Context(), Callback{Speaker: host, From: "10.0.0.1"}, "no\n disk\x00", "sda: none\n")
	return err
}

// armed is what is armed, in a few words, and the journal agrees.
func (s *onceSite) armed(want string) {
	s.t.Helper()
	var list, kept []string
	v := s.Armings()
	for _, host := range v.Hosts() {
		a := v.Of(host)
		text := host + " " + a.Configuration + ">" + a.Then
		if a.Suspended != "" {
			text += " suspended"
		}
		if a.Failure != nil {
			text += " failed"
		}
		if !a.Finished.IsZero() {
			text += " finished"
		}
		list = append(list, text)
		if diff := cmp.Diff(s.journal.armings[host], *a.Arming); diff != "" {
			s.t.Errorf("the journal says otherwise:\n%s", diff)
		}
	}
	for host := range s.journal.armings {
		kept = append(kept, host)
	}
	if got := strings.Join(list, ", "); got != want || len(kept) != len(list) {
		s.t.Errorf("armed: %s, and in the journal %q; want %s", got, kept, want)
	}
}

func (s *onceSite) lastTold(want string) {
	s.t.Helper()
	told := s.journal.told()
	if got := told[len(told)-1]; got != want {
		s.t.Errorf("%s\nwant %s", got, want)
	}
}

func refusedWith(t *testing.T, err error, code pxepilot.Code, part string) {
	t.Helper()
	if pxepilot.ErrorCode(err) != code || !strings.Contains(pxepilot.ErrorMessage(err), part) {
		t.Errorf("%s: %v; want %s: ...%s...", pxepilot.ErrorCode(err), err, code, part)
	}
}

func TestOnce(t *testing.T) {
	s := newOnceSite(t, "a", "b")
	s.must("local", "a", "b")
	out, err := s.once("ubuntu", Once{Then: "local"}, "a")
	if err != nil {
		t.Fatal(err)
	}
	s.boots("a ubuntu, b local")
	s.armed("a ubuntu>local")
	a := s.Armings().Of("a")
	want := pxepilot.Arming{
		Host: "a", MACs: s.root.inv.ByName("a").MACs, Generation: 1, Entry: out.Entry, Configuration: "ubuntu", Then: "local", OnTimeout: pxepilot.SwitchOnTimeout,
		Within: 4 * time.Hour, Armed: s.clock.now.Wall, Deadline: pxepilot.Moment{Boot: "first", Since: 5 * time.Hour, Wall: s.clock.now.Wall.Add(4 * time.Hour)},
	}
	if diff := cmp.Diff(want, *a.Arming); diff != "" || !a.Until.Equal(want.Deadline.Wall) {
		t.Errorf("until %s\n%s", a.Until, diff)
	}
	if r := out.Hosts[0]; r.Armed == nil || r.Armed.Generation != 1 {
		t.Errorf("%+v", r)
	}
	s.clock.pass(time.Hour)
	if err := s.done("a", 0); err != nil {
		t.Fatal(err)
	}
	s.boots("a local, b local")
	s.armed("")
	s.tells(
		"deploy by api: done, a none>local, b none>local",
		"deploy by api: done, a local>ubuntu +1",
		"done by host a: done, a ubuntu>local -1",
	)
	if got := s.journal.entries[2]; got.From != "10.0.0.1" || got.Of != "local" {
		t.Errorf("%+v", got)
	}
	// The next one has another number, also after a restart.
	s.start()
	s.arm("a")
	if g := s.Armings().Of("a").Generation; g != 2 {
		t.Errorf("generation %d", g)
	}
}

func TestOnceRequests(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    Change
		once Once
		code pxepilot.Code
		want string
	}{
		{"of itself", Change{Configuration: "ubuntu"}, Once{Then: "ubuntu"}, pxepilot.Conflict, `then names "ubuntu", which is what is deployed`},
		{"to what is not there", Change{Configuration: "ubuntu"}, Once{Then: "lcoal"}, pxepilot.NotFound, `what comes then: configuration "lcoal" not found; did you mean local? (for deploys of "ubuntu")`},
		{"to what is no name", Change{Configuration: "ubuntu"}, Once{Then: "a/b"}, pxepilot.Invalid, "host 1 of the list: then:"},
		{"to what the host cannot boot", Change{Configuration: "ubuntu"}, Once{Then: "bios-only"}, pxepilot.Conflict, `what comes then: host "a": configuration "bios-only" has no variant for its loader grub`},
		{"for good and once", Change{Configuration: "ubuntu"}, Once{Then: "local", Permanent: true}, pxepilot.Conflict, "leave one out"},
		{"within nothing", Change{Configuration: "ubuntu"}, Once{Within: time.Hour}, pxepilot.Conflict, "nothing says what it boots when its installer is done"},
		{"within no time", Change{Configuration: "ubuntu"}, Once{Then: "local", Within: time.Millisecond}, pxepilot.Invalid, "want a time from 1s to 365d"},
		{"within negative time", Change{Configuration: "ubuntu"}, Once{Then: "local", Within: -time.Hour}, pxepilot.Invalid, "want a time from 1s to 365d"},
		{"within ages", Change{Configuration: "ubuntu"}, Once{Then: "local", Within: 366 * 24 * time.Hour}, pxepilot.Invalid, "want a time from 1s to 365d"},
		{"and then what", Change{Configuration: "ubuntu"}, Once{Then: "local", OnTimeout: "reboot"}, pxepilot.Invalid, "want switch or keep"},
		{"and what without power", Change{Configuration: "ubuntu"}, Once{Then: "local", OnPowerError: "cry"}, pxepilot.Invalid, "want back or keep"},
		{"and without any", Change{Configuration: "ubuntu"}, Once{Then: "local", OnPowerError: KeepOnPowerError}, pxepilot.Conflict, "onPowerError is for a host that is rebooted"},
		{"clear", Change{Want: pxepilot.Clear}, Once{Then: "local"}, pxepilot.Invalid, "only a deploy"},
	} {
		s := newOnceSite(t, "a")
		tt.c.Hosts = []HostRef{{Name: "a", Once: tt.once}}
		_, err := s.Change(t.Context(), tt.c)
		t.Run(tt.name, func(t *testing.T) { refusedWith(t, err, tt.code, tt.want) })
		s.boots("a none")
		s.armed("")
		s.tells()
	}

	s := newOnceSite(t, "a")
	if _, err := s.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu", DropUncovered: true, Hosts: []HostRef{{Name: "a", Once: Once{Then: "bios-only"}}}}); err != nil {
		t.Error(err)
	}
	s.armed("a ubuntu>bios-only")
	if err := s.done("a", 1); err != nil {
		t.Error(err)
	}
	s.boots("a bios-only partly")

	bare := New(func() *Site { return s.root.site() }, func() error { return nil }, Options{})
	for _, dry := range []bool{true, false} {
		_, err := bare.Change(t.Context(), Change{Configuration: "ubuntu", DryRun: dry, Hosts: []HostRef{{Name: "a", Once: Once{Then: "local"}}}})
		if pxepilot.ErrorCode(err) != pxepilot.Unavailable {
			t.Errorf("without a journal, dry run %t: %v", dry, err)
		}
	}
}

func TestRules(t *testing.T) {
	s := newOnceSite(t, "a", "b")
	s.root.rules = map[string]pxepilot.Rule{"ubuntu": {Then: "debian", Within: time.Hour}, "debian": {Then: "local"}}
	s.must("ubuntu", "a")
	s.armed("a ubuntu>debian")
	if a := s.Armings().Of("a"); a.Within != time.Hour {
		t.Errorf("within %s", a.Within)
	}
	// What comes then is armed in its turn.
	if err := s.done("a", 1); err != nil {
		t.Fatal(err)
	}
	s.armed("a debian>local")
	s.clock.pass(4 * time.Hour)
	s.tick()
	s.armed("")
	s.boots("a local, b none")
	for _, tt := range []struct {
		once Once
		want string
	}{
		{Once{Permanent: true}, ""},
		{Once{Then: "local"}, "a ubuntu>local"},
		{Once{Within: 2 * time.Hour}, "a ubuntu>debian"},
	} {
		if _, err := s.once("ubuntu", tt.once, "a"); err != nil {
			t.Error(err)
		}
		s.armed(tt.want)
	}
	if a := s.Armings().Of("a"); a.Within != 2*time.Hour {
		t.Errorf("within %s", a.Within)
	}
}

func TestReplaced(t *testing.T) {
	clear := func(s *onceSite) error {
		_, err := s.Change(t.Context(), Change{Want: pxepilot.Clear, Hosts: named("a")})
		return err
	}
	for _, tt := range []struct {
		name  string
		does  func(s *onceSite) error
		armed string
	}{
		{"a deploy for good", func(s *onceSite) error { s.must("debian", "a"); return nil }, ""},
		{"the same for good", func(s *onceSite) error { s.must("ubuntu", "a"); return nil }, ""},
		{"another once", func(s *onceSite) error { _, err := s.once("debian", Once{Then: "ubuntu"}, "a"); return err }, "a debian>ubuntu"},
		{"a clear", clear, ""},
		{"a repair", func(s *onceSite) error {
			_, err := s.Change(t.Context(), Change{Want: pxepilot.Repair, Hosts: named("a")})
			return err
		}, "a ubuntu>local"},
		{"an undo", func(s *onceSite) error { _, err := s.Undo(t.Context(), Undo{Host: "a"}); return err }, ""},
		{"a disarm", func(s *onceSite) error { _, err := s.Disarm(t.Context(), named("a"), Actor{}); return err }, ""},
		{"what is refused", func(s *onceSite) error {
			if _, err := s.deploy("nothing", "a"); err == nil {
				t.Error("no error")
			}
			return nil
		}, "a ubuntu>local"},
		{"what fails", func(s *onceSite) error {
			s.root.beforeStep = func(i int) error {
				if i == 1 {
					return errors.New("no space")
				}
				return nil
			}
			if _, err := s.once("debian", Once{Then: "local"}, "a"); err == nil {
				t.Error("no error")
			}
			s.root.beforeStep = nil
			return nil
		}, "a ubuntu>local"},
		{"a hand", func(s *onceSite) error { s.root.all("a", "debian"); s.look(); return nil }, ""},
		{"a hand that breaks it", func(s *onceSite) error { s.root.put("a", "nowhere"); s.look(); return nil }, "a ubuntu>local"},
		{"a hand on one link", func(s *onceSite) error { s.root.put("a", "debian"); s.look(); return nil }, ""},
		{"a hand that takes a link away", func(s *onceSite) error { s.root.put("a", ""); s.look(); return nil }, "a ubuntu>local"},
		{"another host", func(s *onceSite) error { s.must("debian", "b"); return nil }, "a ubuntu>local"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newOnceSite(t, "a", "b")
			s.must("local", "a", "b")
			s.arm("a")
			if err := tt.does(s); err != nil {
				t.Fatal(err)
			}
			s.armed(tt.armed)
			s.start()
			s.armed(tt.armed)
		})
	}
}

// TestHandIsNotOverruled: who switches an armed host by hand has decided.
func TestHandIsNotOverruled(t *testing.T) {
	for _, end := range []string{"done", "time"} {
		for _, to := range []string{"debian", "local"} {
			s := newOnceSite(t, "a")
			s.must("local", "a")
			s.arm("a")
			s.root.all("a", to)
			var err error
			if end == "done" {
				err = s.done("a", 1)
			} else {
				s.clock.pass(5 * time.Hour)
				s.tick()
			}
			s.boots("a " + to)
			s.armed("")
			if to == "debian" && end == "done" {
				refusedWith(t, err, pxepilot.Conflict, `host "a" is not armed any more: it was switched by hand at 2026-11-06T17:30:00Z`)
			} else if err != nil {
				t.Errorf("%s, %s: %v", end, to, err)
			}
			if hand := s.journal.told()[2]; hand != "hand by hand: done, a ubuntu>"+to+" -1 (which ends what was to boot once: nothing of it is switched back) !" {
				t.Error(hand)
			}
		}
	}
}

func TestCallbacks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(s *onceSite)
		c      Callback
		code   pxepilot.Code // of what is refused
		want   string
		boots  string
		told   string // last
	}{
		{"by its connection", nil, Callback{Speaker: "a", From: "10.0.0.1"}, "", "", "a local, b local", "done by host a: done, a ubuntu>local -1"},
		{"by its name", nil, Callback{Anonymous: errors.New("NAT"), Host: "a"}, "", "", "a local, b local", "done by api: done, a ubuntu>local -1"},
		{"by its address", nil, Callback{Host: "02:00:61:00:00:00"}, "", "", "a local, b local", "done by api: done, a ubuntu>local -1"},
		{"by both", nil, Callback{Speaker: "a", Host: "a", Generation: 1}, "", "", "a local, b local", "done by host a: done, a ubuntu>local -1"},
		{"for another host", nil, Callback{Speaker: "b", Host: "a"}, pxepilot.Forbidden, `host "b" asked for host "a"`, "a ubuntu, b local",
			`refused by host b: not done, a ubuntu>ubuntu (done) (host "b" asked for host "a", but a machine speaks for itself only; nothing was changed) !`},
		{"of a host that is not armed", nil, Callback{Speaker: "b"}, pxepilot.Conflict, `host "b" is not armed; nothing was changed`, "a ubuntu, b local",
			`refused by host b: not done, b local>local (done) (host "b" is not armed; nothing was changed)`},
		{"of nobody", nil, Callback{Anonymous: pxepilot.Errorf(pxepilot.Forbidden, "it came through a router")}, pxepilot.Forbidden, "it came through a router", "a ubuntu, b local",
			"refused by api: not done (done) (it came through a router)"},
		{"of an unknown host", nil, Callback{Host: "c"}, pxepilot.NotFound, `host "c" not found`, "a ubuntu, b local", `refused by api: not done (done) (host "c" not found; did you mean a or b?)`},
		{"of a host that is no name", nil, Callback{Host: "a\x00"}, pxepilot.Invalid, "", "a ubuntu, b local", ""},
		{"of a generation to come", nil, Callback{Speaker: "a", Generation: 2}, pxepilot.Conflict, "never armed with the generation 2", "a ubuntu, b local", ""},
		{"of a stale generation", func(s *onceSite) { s.arm("a") }, Callback{Speaker: "a", Generation: 1}, pxepilot.Conflict, "the generation 1 of host \"a\" is over, and the current one is 2", "a ubuntu, b local",
			`refused by host a: not done, a ubuntu>ubuntu (done) (the generation 1 of host "a" is over, and the current one is 2; nothing was changed)`},
		{"bare, of what was armed since", func(s *onceSite) { s.arm("a") }, Callback{Speaker: "a"}, "", "", "a local, b local", "done by host a: done, a ubuntu>local -2"},
		{"twice", func(s *onceSite) { _ = s.done("a", 0) }, Callback{Speaker: "a"}, "", "", "a local, b local",
			"refused by host a: not done, a local>local (done, said again or late: its installer was done at 2026-11-06T17:30:00Z)"},
		{"twice with the generation", func(s *onceSite) { _ = s.done("a", 0) }, Callback{Speaker: "a", Generation: 1}, "", "", "a local, b local", ""},
		{"stale, when all is done", func(s *onceSite) { s.arm("a"); _ = s.done("a", 2) }, Callback{Speaker: "a", Generation: 1}, pxepilot.Conflict, "the generation 1 of host \"a\" is over", "a local, b local", ""},
		{"late", func(s *onceSite) { s.clock.pass(5 * time.Hour); s.tick() }, Callback{Speaker: "a", Generation: 1}, "", "", "a local, b local",
			"refused by host a: not done, a local>local (done, said again or late: its time was over at 2026-11-06T22:30:00Z)"},
		{"twice, and another deploy between", func(s *onceSite) { _ = s.done("a", 0); s.must("debian", "a") }, Callback{Speaker: "a"}, pxepilot.Conflict,
			"host \"a\" is not armed any more: its installer was done at", "a debian, b local", ""},
		{"after a disarm", func(s *onceSite) { _, _ = s.Disarm(s.t.Context(), named("a"), Actor{}) }, Callback{Speaker: "a"}, pxepilot.Conflict, "it was disarmed at", "a ubuntu, b local", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newOnceSite(t, "a", "b")
			s.must("local", "a", "b")
			s.arm("a")
			if tt.before != nil {
				tt.before(s)
			}
			entries := len(s.journal.entries)
			_, err := s.Finish(t.Context(), tt.c)
			if tt.code == "" && err != nil {
				t.Fatal(err)
			} else if tt.code != "" {
				refusedWith(t, err, tt.code, tt.want)
			}
			s.boots(tt.boots)
			if len(s.journal.entries) != entries+1 {
				t.Errorf("%d entries in place of one: %q", len(s.journal.entries)-entries, s.journal.told())
			}
			if tt.told != "" {
				s.lastTold(tt.told)
			}
		})
	}
}

func TestFailed(t *testing.T) {
	s := newOnceSite(t, "a", "b")
	s.arm("a")
	if err := s.failed("a"); err != nil {
		t.Fatal(err)
	}
	s.armed("a ubuntu>local failed")
	s.boots("a ubuntu, b none")
	s.lastTold("failed by host a: done, a ubuntu>ubuntu (no disk) !")
	e := s.journal.entries[1]
	if e.Log != "sda: none\n" || s.Armings().Of("a").Failure.Entry != 2 {
		t.Errorf("%+v", e)
	}
	refusedWith(t, s.failed("a"), pxepilot.Conflict, "was told already (generation 1); the first reason counts")
	refusedWith(t, s.failed("b"), pxepilot.Conflict, `host "b" is not armed`)
	_, err := s.Fail(t.Context(), Callback{Speaker: "b", Host: "a"}, "", "")
	refusedWith(t, err, pxepilot.Forbidden, "speaks for itself only")
	s.armed("a ubuntu>local failed")
	s.arm("a")
	if err := s.failed("a"); err != nil {
		t.Errorf("of the next generation: %v", err)
	}
	// It may be done all the same.
	if err := s.done("a", 0); err != nil {
		t.Error(err)
	}
	s.boots("a local, b none")

	s.arm("b")
	long := strings.Repeat("x", pxepilot.MaxFailureLog) + "\xff\xfeend"
	if _, err := s.Fail(t.Context(), Callback{Host: "b"}, strings.Repeat("ü", 400), long); err != nil {
		t.Fatal(err)
	}
	e = s.journal.entries[len(s.journal.entries)-1]
	if len(e.Log) > pxepilot.MaxFailureLog || !strings.HasSuffix(e.Log, "x?end") || len(e.Why) > 510 || !strings.HasSuffix(e.Why, "ü...") {
		t.Errorf("log of %d, reason of %d: %q", len(e.Log), len(e.Why), e.Why[len(e.Why)-9:])
	}
}

func TestTimeout(t *testing.T) {
	s := newOnceSite(t, "a", "b", "c", "d")
	s.must("local", "a", "b", "c", "d")
	s.arm("a", "b")
	if _, err := s.once("debian", Once{Then: "local", Within: time.Hour, OnTimeout: pxepilot.KeepOnTimeout}, "c"); err != nil {
		t.Fatal(err)
	}
	if got := s.tick(); got != longestSleep {
		t.Errorf("it sleeps %s", got)
	}
	s.clock.pass(time.Hour - time.Second)
	if got := s.tick(); got != time.Second {
		t.Errorf("it sleeps %s", got)
	}
	s.armed("a ubuntu>local, b ubuntu>local, c debian>local")
	s.clock.pass(time.Second)
	s.tick()
	s.armed("a ubuntu>local, b ubuntu>local")
	s.lastTold("timeout by timer: done, c debian>debian -3 (the time of its installer was over (1h0m0s); it stays where it is, as was told) !")
	if err := s.failed("b"); err != nil {
		t.Fatal(err)
	}
	s.clock.pass(3 * time.Hour)
	s.tick()
	s.tick()
	s.armed("")
	s.boots("a local, b local, c debian, d local")
	s.lastTold("timeout by timer: done, a ubuntu>local -1, b ubuntu>local -2 (the time of its installer was over, which had failed (b: no disk)) !")
}

func TestClocks(t *testing.T) {
	for _, tt := range []struct {
		name string
		does func(s *onceSite)
		over bool
	}{
		{"set forward by a year", func(s *onceSite) { s.clock.now.Wall = s.clock.now.Wall.AddDate(1, 0, 0) }, false},
		{"set back by a year", func(s *onceSite) { s.clock.now.Wall = s.clock.now.Wall.AddDate(-1, 0, 0) }, false},
		{"set back, and the time is over", func(s *onceSite) {
			s.clock.now.Wall = s.clock.now.Wall.AddDate(-1, 0, 0)
			s.clock.pass(4 * time.Hour)
		}, true},
		{"a restart", func(s *onceSite) { s.clock.pass(3 * time.Hour); s.start() }, false},
		{"a restart, later", func(s *onceSite) { s.start(); s.clock.pass(4 * time.Hour) }, true},
		{"down meanwhile", func(s *onceSite) { s.clock.pass(9 * time.Hour); s.start() }, true},
		{"a reboot", func(s *onceSite) { s.clock.pass(3 * time.Hour); s.clock.reboot("second"); s.start() }, false},
		{"a reboot, and the time is over", func(s *onceSite) {
			s.clock.pass(3 * time.Hour)
			s.clock.reboot("second")
			s.start()
			s.clock.pass(59 * time.Minute)
		}, true},
		{"a reboot with a clock of the past", func(s *onceSite) {
			s.clock.reboot("second")
			s.clock.now.Wall = s.clock.now.Wall.AddDate(-40, 0, 0)
			s.start()
			s.clock.pass(4*time.Hour - time.Second)
		}, false},
		{"a reboot with a clock of the past that is set later", func(s *onceSite) {
			s.clock.reboot("second")
			s.clock.now.Wall = s.clock.now.Wall.AddDate(-40, 0, 0)
			s.start()
			s.clock.now.Wall = s.clock.now.Wall.AddDate(40, 0, 0)
			s.clock.pass(4*time.Hour - time.Second)
			s.start()
		}, false},
		{"a reboot with a clock of the past, and all the time", func(s *onceSite) {
			s.clock.reboot("second")
			s.clock.now.Wall = s.clock.now.Wall.AddDate(-40, 0, 0)
			s.start()
			s.clock.pass(2 * time.Hour)
			s.start()
			s.clock.pass(2 * time.Hour)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newOnceSite(t, "a")
			s.arm("a")
			tt.does(s)
			s.tick()
			if tt.over {
				s.armed("")
				s.boots("a local")
			} else {
				s.armed("a ubuntu>local")
				if left := s.Armings().Of("a").Until.Sub(s.clock.now.Wall); left <= 0 || left > 4*time.Hour {
					t.Errorf("until %s, in %s", s.Armings().Of("a").Until, left)
				}
			}
		})
	}
}

// TestThenCannotBe: what comes then is not there, or cannot be had now: the machine
// is told, somebody is, and it is done as soon as it can be.
func TestThenCannotBe(t *testing.T) {
	gone := func(s *onceSite) func() {
		local := s.root.configurations["local"]
		s.root.write("local", "")
		return func() { s.root.configurations["local"], s.root.view = local, nil }
	}
	readOnly := func(s *onceSite) func() {
		s.root.beforeStep = func(int) error { return errors.New("read-only file system") }
		return func() { s.root.beforeStep = nil }
	}
	inTheWay := func(s *onceSite) func() {
		s.root.put("a", "file")
		return func() { s.root.put("a", "ubuntu") }
	}
	full := func(s *onceSite) func() {
		s.journal.fails = pxepilot.Errorf(pxepilot.Unavailable, "there is no space left for the journal")
		return func() { s.journal.fails = nil }
	}
	for _, tt := range []struct {
		name  string
		wrong func(s *onceSite) (mend func())
		want  string
		told  []string // after the timer came twice
	}{
		{"gone", gone, `host "a" cannot be switched to configuration "local", which is no longer there`, nil},
		{"read-only", readOnly, "read-only file system", nil},
		{"in the way", inTheWay, "is not a link but somebody else's file", nil},
		{"full", full, "there is no space left for the journal", nil},
	} {
		t.Run(tt.name+", when it is done", func(t *testing.T) {
			s := newOnceSite(t, "a")
			s.arm("a")
			mend := tt.wrong(s)
			err := s.done("a", 1)
			refusedWith(t, err, pxepilot.ErrorCode(err), tt.want)
			noted := `; it is noted that the installer is done, and host "a" is switched to "local" as soon as that can be`
			if tt.name == "full" {
				noted = `; say it again: that the installer of host "a" is done, and what comes then is "local", is noted nowhere but in the memory of the server`
			}
			if !strings.Contains(err.Error(), noted) {
				t.Error(err)
			}
			for range 3 {
				s.clock.pass(longestSleep)
				s.tick()
			}
			before := len(s.journal.entries)
			if tt.name != "read-only" { // of which each try is an entry
				s.clock.pass(longestSleep)
				s.tick()
				if len(s.journal.entries) != before {
					t.Errorf("it is told again and again: %q", s.journal.told())
				}
			}
			if tt.name != "full" {
				s.armed("a ubuntu>local finished")
				s.start()
				s.armed("a ubuntu>local finished")
			}
			mend()
			s.clock.pass(lastRetry)
			s.tick()
			s.armed("")
			s.boots("a local")
			if told := s.journal.told(); !strings.HasPrefix(told[len(told)-1], "done by timer: done, a ") {
				t.Errorf("%q", told)
			}
		})
		t.Run(tt.name+", when its time is over", func(t *testing.T) {
			s := newOnceSite(t, "a", "b")
			s.arm("a")
			mend := tt.wrong(s)
			s.clock.pass(5 * time.Hour)
			for range 2 {
				s.tick()
				s.clock.pass(longestSleep)
			}
			if told := s.journal.told(); tt.name != "full" && (len(told) < 2 || !strings.Contains(told[1], "not done") || !strings.HasSuffix(told[1], "!")) {
				t.Errorf("%q", told)
			}
			mend()
			s.clock.pass(lastRetry)
			s.tick()
			s.armed("")
			s.boots("a local, b none")
		})
	}
}

// TestOneOfManyCannotBe: what keeps one host does not keep the others.
func TestOneOfManyCannotBe(t *testing.T) {
	s := newOnceSite(t, "a", "b", "c")
	s.arm("a", "b", "c")
	s.root.put("b", "file")
	s.root.all("c", "debian")
	s.clock.pass(5 * time.Hour)
	s.tick()
	s.boots("a local, b unmanaged, c debian")
	s.armed("b ubuntu>local")
	told := s.journal.told()
	if len(told) != 4 || !strings.HasPrefix(told[2], "timeout by timer: done, a ubuntu>local -1") || !strings.HasPrefix(told[3], "timeout by timer: not done, b") {
		t.Errorf("%s", strings.Join(told, "\n"))
	}
}

func TestSuspended(t *testing.T) {
	s := newOnceSite(t, "a", "b")
	s.arm("a", "b")
	s.root.describe("b")
	s.look()
	s.armed("a ubuntu>local suspended, b ubuntu>local")
	s.lastTold("suspended by hand: done, a ubuntu>ubuntu (the host is no longer in the file) !")
	entries := len(s.journal.entries)
	s.look()
	s.start()
	if len(s.journal.entries) != entries {
		t.Errorf("it is told twice: %q", s.journal.told())
	}
	s.clock.pass(5 * time.Hour)
	s.tick()
	s.armed("a ubuntu>local suspended")
	refusedWith(t, s.done("a", 0), pxepilot.NotFound, `host "a" not found`)

	// Another machine under its name is not it.
	other := newLinkRoot("a", "b")
	other.inv.ByName("a").MACs[1] = pxepilot.MAC{9}
	inv, err := pxepilot.NewInventory(other.inv.Hosts())
	if err != nil {
		t.Fatal(err)
	}
	s.root.inv, s.root.view = inv, nil
	s.look()
	s.armed("a ubuntu>local suspended")
	s.lastTold("suspended by hand: done, a ubuntu partly>ubuntu partly (the host has 02:01:61:00:00:00 no longer in the file) !")
	refusedWith(t, s.done("a", 0), pxepilot.Conflict, "is suspended, for the host has 02:01:61:00:00:00 no longer in the file")
	s.tick()
	s.boots("a ubuntu partly, b local")

	s.root.describe("a", "b")
	s.look()
	s.lastTold("resumed by hand: done, a ubuntu>ubuntu (it is in the file again as it was)")
	s.tick()
	s.armed("")
	s.boots("a local, b local")

	// Under another name it is told.
	s.arm("a")
	hosts := newLinkRoot("z", "b").inv.Hosts()
	hosts[0].MACs = s.Armings().Of("a").MACs
	if inv, err = pxepilot.NewInventory(hosts); err != nil {
		t.Fatal(err)
	}
	s.root.inv, s.root.view = inv, nil
	s.look()
	if why := s.Armings().Of("a").Suspended; why != `the host is no longer in the file, where 02:00:61:00:00:00 is host "z"'s and 02:01:61:00:00:00 is host "z"'s` {
		t.Error(why)
	}
	if _, err := s.Disarm(t.Context(), named("a"), Actor{Name: "api"}); err != nil {
		t.Error(err)
	}
	s.armed("")
}

func TestDisarm(t *testing.T) {
	s := newOnceSite(t, "a", "b", "c")
	s.arm("a", "b")
	for _, tt := range []struct {
		hosts []string
		code  pxepilot.Code
		want  string
	}{
		{nil, pxepilot.Invalid, "no host was named"},
		{[]string{"a", "c"}, pxepilot.Conflict, `host "c" is not armed`},
		{[]string{"x"}, pxepilot.NotFound, `host "x" not found`},
		{[]string{"a", "02:00:61:00:00:00"}, pxepilot.Conflict, `host "a" is named twice`},
	} {
		_, err := s.Disarm(t.Context(), named(tt.hosts...), Actor{})
		refusedWith(t, err, tt.code, tt.want)
	}
	s.armed("a ubuntu>local, b ubuntu>local")
	if _, err := s.Disarm(t.Context(), named("b", "a"), Actor{Name: "api"}); err != nil {
		t.Fatal(err)
	}
	s.armed("")
	s.clock.pass(5 * time.Hour)
	s.tick()
	s.boots("a ubuntu, b ubuntu, c none")
	s.lastTold("disarm by api: done, b ubuntu>ubuntu -2, a ubuntu>ubuntu -1")
}

// TestUndoArms: what is brought back to where it was once is once again.
func TestUndoArms(t *testing.T) {
	s := newOnceSite(t, "a")
	s.must("debian", "a")
	s.arm("a")
	if err := s.done("a", 0); err != nil {
		t.Fatal(err)
	}
	undo := func() {
		t.Helper()
		if _, err := s.Undo(t.Context(), Undo{}); err != nil {
			t.Fatal(err)
		}
	}
	undo()
	s.boots("a ubuntu")
	s.armed("a ubuntu>local")
	if g := s.Armings().Of("a").Generation; g != 2 {
		t.Errorf("generation %d", g)
	}
	undo() // of the undo
	s.boots("a local")
	s.armed("")
	undo()
	s.armed("a ubuntu>local")
	s.root.write("local", "")
	s.must("debian", "a")
	_, err := s.Undo(t.Context(), Undo{})
	refusedWith(t, err, pxepilot.Conflict, `host "a": it booted "ubuntu" once, to be switched to "local" then, which is no longer there`)

	s = newOnceSite(t, "a")
	s.must("ubuntu", "a")
	s.must("local", "a")
	s.root.rules = map[string]pxepilot.Rule{"ubuntu": {Then: "local"}}
	if _, err := s.Undo(t.Context(), Undo{}); err != nil {
		t.Fatal(err)
	}
	s.armed("a ubuntu>local")
}

// TestDeployForOneself: the call that installers made before there were callbacks.
func TestDeployForOneself(t *testing.T) {
	for _, tt := range []struct {
		name          string
		configuration string
		hosts         []string
		speaker       string
		told          string
	}{
		{"of itself", "local", []string{"a"}, "a", "done by host a: done, a ubuntu>local -1"},
		{"of another", "local", []string{"a"}, "b", "deploy by api: done, a ubuntu>local -1"},
		{"of nobody known", "local", []string{"a"}, "", "deploy by api: done, a ubuntu>local -1"},
		{"of something else", "debian", []string{"a"}, "a", "deploy by api: done, a ubuntu>debian -1"},
		{"of two", "local", []string{"a", "b"}, "a", "deploy by api: done, a ubuntu>local -1, b none>local"},
		{"of one that is not armed", "local", []string{"b"}, "b", "deploy by api: done, b none>local"},
	} {
		s := newOnceSite(t, "a", "b")
		s.arm("a")
		asked := false
		c := Change{Want: pxepilot.Deploy, Configuration: tt.configuration, Hosts: named(tt.hosts...), By: Actor{Name: "api"}, Speaker: func(context.Context) string {
			asked = true
			return tt.speaker
		}}
		if _, err := s.Change(t.Context(), c); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		s.lastTold(tt.told)
		if want := tt.configuration == "local" && slices.Equal(tt.hosts, []string{"a"}); asked != want {
			t.Errorf("%s: who asks was looked for: %t", tt.name, asked)
		}
	}

	s := newOnceSite(t, "a")
	s.arm("a")
	s.root.write("local", "")
	_, err := s.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "local", Hosts: named("a"),
		Speaker: func(context.Context) string { return "a" }})
	refusedWith(t, err, pxepilot.NotFound, "it is noted that the installer is done")
	s.armed("a ubuntu>local finished")
}

// TestCutOff: whatever is cut off, wherever: a host that was deployed to once is
// armed, and one that was not is not.
func TestCutOff(t *testing.T) {
	for n := range 12 {
		for _, then := range []string{"goes forward", "was never begun"} {
			s := newOnceSite(t, "a", "b")
			s.must("local", "a", "b")
			s.arm("b")
			count := 0
			hit := func(int) error {
				if count++; count == n {
					panic(errCut)
				}
				return nil
			}
			s.root.beforeStep, s.journal.beforeNext, s.journal.afterNext = hit, hit, func(int) { _ = hit(0) }
			acknowledged := false
			crashes(func() {
				_, err := s.once("debian", Once{Then: "ubuntu"}, "a", "b")
				acknowledged = err == nil
			})
			s.root.beforeStep, s.journal.beforeNext, s.journal.afterNext = nil, nil, nil
			if then == "was never begun" && strings.HasPrefix(s.root.boots(), "a local") {
				s.root.plan = nil
			}
			s.start()
			switch boots := s.root.boots(); {
			case boots == "a debian, b debian":
				s.armed("a debian>ubuntu, b debian>ubuntu")
			case boots == "a local, b ubuntu" && !acknowledged:
				s.armed("b ubuntu>local")
			default:
				t.Errorf("cut off %d, acknowledged %t: %s", n, acknowledged, boots)
			}
			// And nothing of it is lost later.
			s.clock.pass(5 * time.Hour)
			s.tick()
			s.armed("")
		}
	}
}
