package pilot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// What is planned because of an arming is not done where that ended meanwhile.
func TestDisarmedSincePlanned(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	a := s.Armings().Of("a").Arming
	for _, meanwhile := range []func() error{
		func() error { _, err := s.Disarm(t.Context(), named("a"), Actor{Name: "api"}); return err },
	} {
		_, err := s.switchLinks(t.Context(), s.root.site(), false, &pxepilot.Entry{What: pxepilot.TimedOut}, func(view *pxepilot.View) (plan, error) {
			var to plan
			if err := s.onward(&to, s.root.site(), view, a); err != nil {
				t.Fatal(err)
			}
			return to, meanwhile()
		})
		if !errors.Is(err, errMovedOn) {
			t.Errorf("%v", err)
		}
	}
	s.boots("a ubuntu")
	s.lastTold("disarm by api: done, a ubuntu>ubuntu -1")
}

// What somebody set while a host was not in the file, or when it got another card,
// is not overruled.
func TestHandWhileAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		does func(s *onceSite)
	}{
		{"away", func(s *onceSite) {
			s.root.describe("b")
			s.look()
			s.root.describe("a", "b")
			s.root.all("a", "debian")
			s.look()
		}},
		{"away, and nobody looked", func(s *onceSite) {
			s.root.describe("b")
			s.look()
			s.root.describe("a", "b")
			s.root.all("a", "debian")
		}},
		{"another card", func(s *onceSite) {
			hosts := newLinkRoot("a", "b").inv.Hosts()
			hosts[0].MACs = append(hosts[0].MACs, pxepilot.MAC{9})
			inv, err := pxepilot.NewInventory(hosts)
			if err != nil {
				t.Fatal(err)
			}
			s.root.inv, s.root.view = inv, nil
			s.root.all("a", "debian")
		}},
	} {
		for _, end := range []string{"done", "time"} {
			s := newOnceSite(t, "a", "b")
			s.arm("a")
			tt.does(s)
			s.clock.pass(5 * time.Hour)
			if end == "time" {
				s.tick()
				s.look()
				s.tick()
			} else if err := s.done("a", 1); pxepilot.ErrorCode(err) != pxepilot.Conflict {
				t.Errorf("%s: %v", tt.name, err)
			}
			s.boots("a debian, b none")
			s.armed("")
			if told := strings.Join(s.journal.told(), "\n"); !strings.Contains(told, "hand by hand: done, a ubuntu>debian -1 (which ends") {
				t.Errorf("%s, %s:\n%s", tt.name, end, told)
			}
		}
	}
}

// Without a journal nothing is armed, also where other changes do without.
func TestOnceWithoutState(t *testing.T) {
	gone := pxepilot.Errorf(pxepilot.Unavailable, "the journal is damaged")
	s := newOnceSite(t, "a", "b")
	s.options.Required = func() bool { return false }
	s.arm("a") // generation 1
	s.journal.fails = gone
	s.start() // which knows nothing
	_, err := s.once("ubuntu", Once{Then: "local"}, "b")
	refusedWith(t, err, pxepilot.Unavailable, "nothing was switched, for what is meant once has to be written down: the journal is damaged; mend that, or deploy for good (--permanent)")
	s.boots("a ubuntu, b none")
	refusedWith(t, s.done("a", 0), pxepilot.Unavailable, "what is armed cannot be read: the journal is damaged; say it again")
	s.must("debian", "a") // for good, which ends what nobody knows of
	s.journal.fails = nil
	s.clock.pass(5 * time.Hour)
	s.tick()
	s.look()
	s.boots("a debian, b none")
	s.armed("")
	s.arm("b")
	if g := s.Armings().Of("b").Generation; g != 2 {
		t.Errorf("the generation %d is used again", g)
	}

	// One that is full is no better.
	s.journal.beforeNext = func(int) error { return gone }
	_, err = s.once("ubuntu", Once{Then: "local"}, "a")
	refusedWith(t, err, pxepilot.Unavailable, "has to be written down")
	s.boots("a debian, b ubuntu")
	s.must("local", "a")
	s.clock.pass(5 * time.Hour)
	s.tick() // and what is armed goes on
	s.boots("a local, b local")
	s.journal.beforeNext = nil
	s.look()
	s.armed("")
}

// Whoever sent a callback may not wait for the answer, or look so.
func TestCallbacksOfThoseWhoLeave(t *testing.T) {
	s := newOnceSite(t, "a")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		s.arm("a")
		if _, err := s.Fail(gone, Callback{Speaker: "a"}, "no disk", ""); err != nil {
			t.Error(err)
		}
		if self, err := s.Finish(gone, Callback{Speaker: "a"}); err != nil || self.Status.Configuration != "local" {
			t.Errorf("%+v, %v", self, err)
		}
	}
	if _, err := s.Finish(gone, Callback{Speaker: "a", Generation: 1}); pxepilot.ErrorCode(err) != pxepilot.Conflict {
		t.Error(err)
	}
	s.lastTold(`refused by host a: not done, a local>local (done) (the generation 1 of host "a" is over; nothing was changed)`)
}

// A done whose result could not be written is one all the same when it is said again.
func TestDoneIsSaidAgainWhileItIsOwed(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	s.journal.beforeNext = func(int) error {
		if s.journal.entries[len(s.journal.entries)-1].Result == pxepilot.UnderWay {
			return pxepilot.Errorf(pxepilot.Unavailable, "full")
		}
		return nil
	}
	refusedWith(t, s.done("a", 1), pxepilot.Unavailable, "the links were switched, but the journal does not tell so yet")
	s.boots("a local")
	for range 3 {
		if err := s.done("a", 1); err != nil {
			t.Error(err)
		}
	}
	s.journal.beforeNext = nil
	s.look()
	if err := s.done("a", 0); err != nil {
		t.Error(err)
	}
	s.armed("")
}

// One that is said again at every boot is told once, and is always well.
func TestDoneAtEveryBoot(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	for range 300 {
		if err := s.done("a", 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.journal.entries); n != 3 {
		t.Errorf("%d entries", n)
	}
	s.start()
	if err := s.done("a", 0); err != nil {
		t.Error(err)
	}
}

// A deploy that a power cut interrupted is counted on in the next boot.
func TestArmedByReconcile(t *testing.T) {
	s := newOnceSite(t, "a")
	s.must("local", "a")
	s.journal.beforeNext = func(n int) error {
		if n == s.journal.writes && len(s.journal.entries) == 2 {
			panic(errCut)
		}
		return nil
	}
	if !crashes(func() { s.arm("a") }) {
		t.Fatal("nothing was cut off")
	}
	s.journal.beforeNext = nil
	s.clock.reboot("second")
	s.clock.now.Wall = s.clock.now.Wall.AddDate(-56, 0, 0) // no battery
	s.start()
	s.armed("a ubuntu>local")
	s.clock.now.Wall = s.clock.now.Wall.AddDate(56, 0, 1)
	s.tick()
	s.boots("a ubuntu")
	s.clock.pass(4 * time.Hour)
	s.tick()
	s.boots("a local")
}

// A number that an interrupted deploy had is not used again, whatever came of it.
func TestGenerationsOfWhatIsUnderWay(t *testing.T) {
	for _, then := range []string{"done", "not done"} {
		s := newOnceSite(t, "a", "b")
		s.must("local", "a", "b")
		s.root.beforeStep = func(int) error { panic(errCut) }
		crashes(func() { s.arm("a") })
		s.root.beforeStep = nil
		if then == "not done" {
			s.root.plan = nil
		}
		s.root.fails = errors.New("not mounted")
		s.start()
		s.root.fails = nil
		s.arm("b")
		if g := s.Armings().Of("b").Generation; g != 2 {
			t.Errorf("%s: the generation %d is used again", then, g)
		}
	}
}

// What our own change left half done is not taken for somebody's, and goes on.
func TestHalfSwitched(t *testing.T) {
	s := newOnceSite(t, "a")
	s.must("debian", "a")
	s.arm("a")
	s.root.lost = true
	s.root.beforeStep = func(i int) error {
		if i == 2 {
			return errors.New("I/O error")
		}
		return nil
	}
	if err := s.done("a", 0); pxepilot.ErrorCode(err) != pxepilot.Internal {
		t.Error(err)
	}
	s.root.plan, s.root.beforeStep = nil, nil
	s.look()
	s.boots("a mixed")
	s.armed("a ubuntu>local finished")
	s.clock.pass(lastRetry)
	s.tick()
	s.boots("a local")
	s.armed("")
}

// After_switch is run again for who says it again only where it failed.
func TestRepeatedPush(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	pushes, fails := 0, true
	s.Pilot.site = func() *Site {
		x := s.root.site()
		x.AfterSwitch = func(context.Context) error {
			if pushes++; fails {
				return errors.New("no route to host")
			}
			return nil
		}
		return x
	}
	refusedWith(t, s.done("a", 0), pxepilot.Unavailable, "host \"a\" was switched, but deploy.after_switch failed: internal error")
	fails = false
	for range 3 {
		if err := s.done("a", 0); err != nil {
			t.Error(err)
		}
	}
	if pushes != 2 {
		t.Errorf("%d pushes", pushes)
	}
}
