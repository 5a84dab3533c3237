package pilot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// A power cut in the middle of what ends or replaces an arming: whatever comes of it,
// the arming is as the links are, in the next boot as in this one.
func TestPowerCutWhileArmed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		does  func(s *onceSite)
		boots string
		armed string
	}{
		{"done", func(s *onceSite) { _ = s.done("a", 1) }, "a local", ""},
		{"once more", func(s *onceSite) { _, _ = s.once("debian", Once{Then: "local"}, "a") }, "a debian", "a debian>local"},
		{"for good", func(s *onceSite) { _, _ = s.deploy("debian", "a") }, "a debian", ""},
		{"the timer", func(s *onceSite) { s.clock.pass(4 * time.Hour); s.tick() }, "a local", ""},
	} {
		for _, reboots := range []bool{false, true} {
			for _, forward := range []bool{true, false} {
				s := newOnceSite(t, "a")
				s.arm("a")
				at := 2 // of the links
				s.root.beforeStep = func(i int) error {
					if i == at {
						panic(errCut)
					}
					return nil
				}
				if !forward {
					at = 0
				}
				if !crashes(func() { tt.does(s) }) {
					t.Fatal("nothing was cut off")
				}
				s.root.beforeStep = nil
				if !forward {
					s.root.plan = nil
				}
				if reboots {
					s.clock.reboot("second")
				}
				s.start()
				if forward {
					s.boots(tt.boots)
					s.armed(tt.armed)
				} else {
					s.boots("a ubuntu")
					if tt.name == "done" {
						s.armed("a ubuntu>local finished")
					} else {
						s.armed("a ubuntu>local")
					}
				}
				s.start()
				s.clock.pass(5 * time.Hour)
				s.tick()
				s.armed("")
			}
		}
	}
}

// Where an install follows an install, who did not hear the answer does not end the
// second one.
func TestChainSaidAgain(t *testing.T) {
	chain := func() *onceSite {
		s := newOnceSite(t, "a")
		s.root.rules = map[string]pxepilot.Rule{"debian": {Then: "ubuntu"}, "ubuntu": {Then: "local"}}
		s.must("debian", "a") // generation 1
		return s
	}
	s := chain()
	for range 5 {
		if err := s.done("a", 0); err != nil {
			t.Error(err)
		}
		s.clock.pass(10 * time.Second)
	}
	s.boots("a ubuntu")
	s.clock.pass(time.Minute)
	for range 3 { // by its number at any time
		if err := s.done("a", 1); err != nil {
			t.Error(err)
		}
	}
	s.boots("a ubuntu")
	if err := s.done("a", 0); err != nil {
		t.Error(err)
	}
	s.boots("a local")

	s = chain()
	if err := s.done("a", 1); err != nil {
		t.Error(err)
	}
	if err := s.done("a", 2); err != nil { // at once, for it is named
		t.Error(err)
	}
	s.boots("a local")
	refusedWith(t, s.done("a", 1), pxepilot.Conflict, "the generation 1 of host \"a\" is over")
}

// after_switch is done for what was switched, whoever heard of it, and not skipped
// where the journal, a kill or another call came in between.
func TestPushedAfterAll(t *testing.T) {
	pushing := func(s *onceSite, fails *bool) *int {
		pushes := new(int)
		s.Pilot.site = func() *Site {
			x := s.root.site()
			x.AfterSwitch = func(context.Context) error {
				if *pushes++; fails != nil && *fails {
					return errors.New("no route to host")
				}
				return nil
			}
			return x
		}
		return pushes
	}
	s := newOnceSite(t, "a")
	s.arm("a")
	pushes := pushing(s, nil)
	s.journal.beforeNext = func(int) error {
		if s.journal.entries[len(s.journal.entries)-1].Result == pxepilot.UnderWay {
			return pxepilot.Errorf(pxepilot.Unavailable, "full")
		}
		return nil
	}
	refusedWith(t, s.done("a", 0), pxepilot.Unavailable, "the journal does not tell so yet")
	if *pushes != 1 {
		t.Errorf("%d pushes of what could not be written", *pushes)
	}

	// Killed before it was pushed.
	s.journal.beforeNext = nil
	s.start()
	pushes = pushing(s, nil)
	if err := s.done("a", 0); err != nil || *pushes != 1 {
		t.Errorf("%d pushes for who says it again: %v", *pushes, err)
	}
	s.start()
	pushes = pushing(s, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Expire(ctx) }()
	for s.unpushed(s.site()) {
		<-time.After(time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil || *pushes != 1 {
		t.Errorf("%d pushes at the start: %v", *pushes, err)
	}
}

// Many hosts that cannot be switched keep those that can waiting for some rounds only.
func TestManyHostsKeepNoOther(t *testing.T) {
	var hosts []string
	for i := range 100 {
		hosts = append(hosts, fmt.Sprintf("h%03d", i))
	}
	s := newOnceSite(t, hosts...)
	s.arm(hosts...)
	s.root.refuse = func(st pxepilot.Step) error {
		if st.Host < "h060" {
			return errors.New("no link can be made")
		}
		return nil
	}
	s.clock.pass(4 * time.Hour)
	for minute := range 30 {
		for range 6 {
			s.tick()
			s.clock.pass(10 * time.Second)
		}
		if len(s.Armings().Armings) == 60 {
			t.Logf("all others were switched within %d minutes, by %d entries", minute+1, len(s.journal.entries))
			break
		}
	}
	if n := len(s.Armings().Armings); n != 60 {
		t.Errorf("%d are armed", n)
	}
	s.root.refuse = nil
	s.clock.pass(lastRetry)
	for range 20 {
		s.tick()
		s.clock.pass(10 * time.Second)
	}
	s.armed("")
}

// What a crash left armed is suspended where the file changed meanwhile.
func TestReconciledAndEstranged(t *testing.T) {
	s := newOnceSite(t, "a", "b")
	s.must("local", "a", "b")
	s.root.beforeStep = func(i int) error {
		if i == 2 {
			panic(errCut)
		}
		return nil
	}
	crashes(func() { s.arm("a") })
	s.root.beforeStep = nil
	if err := s.root.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	hosts := newLinkRoot("a", "b").inv.Hosts()
	hosts[0].MACs[1] = pxepilot.MAC{9}
	inv, err := pxepilot.NewInventory(hosts)
	if err != nil {
		t.Fatal(err)
	}
	s.root.inv, s.root.view = inv, nil
	s.start()
	s.look()
	v := s.Armings()
	if a := v.Of("a").Arming; a != nil && a.Suspended == "" {
		t.Errorf("%+v", a)
	}
	for range 3 {
		s.clock.pass(5 * time.Hour)
		s.tick()
	}
	if len(s.timer.owed) != 0 {
		t.Error("after_switch is asked for though nothing was switched")
	}
}

func TestDisarmContradictions(t *testing.T) {
	s := newOnceSite(t, "a", "b")
	s.arm("a", "b")
	macOfB := s.root.inv.ByName("b").MACs[0].String()
	for _, ref := range []HostRef{{Name: "a", MAC: macOfB}, {Name: "b", MAC: "rubbish"}, {Name: "a", MAC: "00:00:00:00:00:99"}} {
		if _, err := s.Disarm(t.Context(), []HostRef{ref}, Actor{}); err == nil {
			t.Errorf("%+v was obeyed", ref)
		}
	}
	s.armed("a ubuntu>local, b ubuntu>local")
}

// Where nobody knows what is armed, nothing else is told.
func TestArmedUnread(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	s.journal.fails = pxepilot.Errorf(pxepilot.Unavailable, "the journal is damaged")
	for _, required := range []bool{true, false} {
		s.options.Required = func() bool { return required }
		s.start()
		_, armed := s.Armed(t.Context())
		_, self := s.Self(t.Context(), Callback{Speaker: "a"})
		_, disarm := s.Disarm(t.Context(), named("a"), Actor{})
		_, fail := s.Fail(t.Context(), Callback{Speaker: "a"}, "", "")
		for what, err := range map[string]error{"armed": armed, "self": self, "disarm": disarm, "failed": fail, "done": s.done("a", 0)} {
			if pxepilot.ErrorCode(err) != pxepilot.Unavailable || !strings.Contains(err.Error(), "the journal is damaged") {
				t.Errorf("%s, required %t: %v", what, required, err)
			}
		}
	}
	s.journal.fails = nil
	s.look()
	s.armed("a ubuntu>local")
}

// The clock was wrong when a host was armed, and set right later: a reboot finds as
// much time left as there is.
func TestWrongClockThenReboot(t *testing.T) {
	s := newOnceSite(t, "a")
	s.clock.now.Wall = s.clock.now.Wall.AddDate(-1, 0, 0)
	s.arm("a")
	s.clock.now.Wall = s.clock.now.Wall.AddDate(1, 0, 0)
	s.look()
	s.clock.pass(10 * time.Minute)
	s.clock.reboot("second")
	s.start()
	s.tick()
	s.armed("a ubuntu>local")
	s.boots("a ubuntu")
	if left := s.Armings().Of("a").Until.Sub(s.clock.now.Wall); left < 3*time.Hour+45*time.Minute || left > 4*time.Hour {
		t.Errorf("%s are left", left)
	}
	entries := s.journal.writes
	s.look()
	s.look()
	if s.journal.writes != entries {
		t.Error("it is written again and again")
	}
}

// An installer that asks again and again while its host cannot be switched does not
// fill the journal.
func TestDoneAgainAndAgainInVain(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	s.root.beforeStep = func(int) error { return errors.New("read-only file system") }
	for range 100 {
		err := s.done("a", 0)
		if !strings.Contains(fmt.Sprint(err), "it is noted that the installer is done") {
			t.Fatal(err)
		}
	}
	if n := len(s.journal.entries); n != 2 || !s.journal.entries[1].Loud {
		t.Errorf("%q", s.journal.told())
	}
	s.root.beforeStep = nil
	s.clock.pass(firstRetry)
	if err := s.done("a", 0); err != nil {
		t.Error(err)
	}
	s.boots("a local")
}

// The links of a host were removed while it was not in the file.
func TestClearedWhileAway(t *testing.T) {
	s := newOnceSite(t, "a", "b")
	s.arm("a")
	s.root.describe("b")
	s.look()
	s.root.describe("a", "b")
	s.root.all("a", "")
	s.clock.pass(5 * time.Hour)
	s.look()
	s.tick()
	s.boots("a none, b none")
	s.armed("")
}

// A failure that is told right after the file was mended is not lost.
func TestFailedWhenTheFileWasMended(t *testing.T) {
	s := newOnceSite(t, "a", "b")
	s.arm("a")
	s.root.describe("b")
	s.look()
	s.root.describe("a", "b")
	if err := s.failed("a"); err != nil {
		t.Error(err)
	}
	s.armed("a ubuntu>local failed")
}
