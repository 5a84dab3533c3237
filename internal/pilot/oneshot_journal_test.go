package pilot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// failsHalfway has the next change fail at its second link, after which the root can be
// read, or nothing can be seen of it.
func (s *onceSite) failsHalfway(blind bool) {
	s.root.beforeStep = func(i int) error {
		if i != 2 {
			return nil
		}
		if blind {
			s.root.fails = errors.New("I/O error")
		}
		return errors.New("I/O error")
	}
}

// cutHalfway does something and cuts the server off at the second link.
func (s *onceSite) cutHalfway(do func()) {
	s.root.beforeStep = func(i int) error {
		if i == 2 {
			panic(errCut)
		}
		return nil
	}
	crashes(do)
	s.root.beforeStep = nil
}

// A change fails half way, and is taken back later, whatever the disk lets one see
// meanwhile: what was armed before is armed still, and nothing is taken for a hand.
func TestTakenBackLater(t *testing.T) {
	for _, tt := range []struct {
		name  string
		does  func(s *onceSite) error
		armed string
	}{
		{"done", func(s *onceSite) error { return s.done("a", 0) }, "a ubuntu>local finished"},
		{"once more", func(s *onceSite) error { _, err := s.once("debian", Once{Then: "local"}, "a"); return err }, "a ubuntu>local"},
		{"for good", func(s *onceSite) error { _, err := s.deploy("debian", "a"); return err }, "a ubuntu>local"},
	} {
		for _, blind := range []bool{false, true} {
			s := newOnceSite(t, "a")
			s.arm("a")
			s.root.stuck = true
			s.failsHalfway(blind)
			if err := tt.does(s); pxepilot.ErrorCode(err) != pxepilot.Internal {
				t.Errorf("%s: %v", tt.name, err)
			}
			s.root.beforeStep, s.root.fails = nil, nil
			s.look()
			s.look()
			s.boots("a ubuntu")
			s.armed(tt.armed)
			if told := strings.Join(s.journal.told(), "\n"); strings.Contains(told, "hand") || strings.Contains(told, "cut off") {
				t.Errorf("%s, blind %t:\n%s", tt.name, blind, told)
			}
			s.clock.pass(5 * time.Hour)
			s.tick()
			s.boots("a local")
			s.armed("")
		}
	}
}

// What an installer's done could not push is pushed, though nobody asks again.
func TestPushOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBookSite(t, "a")
		pushes, fails := make(chan bool, 1000), make(chan bool, 1)
		fails <- true
		s.Pilot.site = func() *Site {
			x := s.root.site()
			x.AfterSwitch = func(context.Context) error {
				f := <-fails
				fails <- f
				pushes <- !f
				if f {
					return errors.New("no route to host")
				}
				return nil
			}
			return x
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Expire(ctx) }()
		refs := named("a")
		refs[0].Once = Once{Then: "local"}
		if _, err := s.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: refs}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Finish(t.Context(), Callback{Host: "a"}); pxepilot.ErrorCode(err) != pxepilot.Unavailable {
			t.Error(err)
		}
		<-time.After(time.Hour)
		<-fails
		fails <- false
		<-time.After(time.Hour)
		synctest.Wait()
		failed, done := 0, 0
		for len(pushes) > 0 {
			if <-pushes {
				done++
			} else {
				failed++
			}
		}
		if done != 1 || failed < 5 || failed > 20 {
			t.Errorf("%d pushes failed, %d were done", failed, done)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// It is said that done is noted only where it is.
func TestNotedOnlyWhereItIs(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	s.journal.beforeNext = func(int) error { return pxepilot.Errorf(pxepilot.Unavailable, "full") }
	for range 3 {
		if err := s.done("a", 0); !strings.Contains(err.Error(), "say it again: that the installer") {
			t.Error(err)
		}
		s.clock.pass(time.Second)
	}
	s.journal.beforeNext = nil
	s.root.beforeStep = func(int) error { return errors.New("read-only file system") }
	for range 3 {
		if err := s.done("a", 0); !strings.Contains(err.Error(), "it is noted") {
			t.Error(err)
		}
		s.clock.pass(time.Second)
	}
	s.start()
	s.armed("a ubuntu>local finished")
}

// A reload that has links elsewhere is no hand.
func TestOtherLinksByTheFile(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	s.root.loaders, s.root.view = []string{"ipxe"}, nil
	for _, c := range s.root.configurations {
		c["ipxe"] = "x"
	}
	s.look()
	s.armed("a ubuntu>local")
	if err := s.done("a", 0); err != nil {
		t.Error(err)
	}
	s.armed("")
	s.boots("a local")
}

// What is decided while an earlier change is not resolved yet counts for more than
// what comes of that; what happens to be noted meanwhile does not.
func TestOvertaken(t *testing.T) {
	for _, tt := range []struct {
		name      string
		meanwhile func(s *onceSite)
		armed     string
		boots     string // when all time is over
	}{
		{"nothing", func(*onceSite) {}, "a debian>local", "a local"},
		{"disarmed", func(s *onceSite) {
			if _, err := s.Disarm(s.t.Context(), named("a"), Actor{Name: "api"}); err != nil {
				s.t.Fatal(err)
			}
		}, "", "a debian"},
		{"done", func(s *onceSite) {
			if err := s.done("a", 0); !strings.Contains(err.Error(), "say it again: a change of host") {
				s.t.Error(err)
			}
		}, "a debian>local", "a local"},
		{"failed", func(s *onceSite) { _ = s.failed("a") }, "a debian>local", "a local"},
		{"its time is over", func(s *onceSite) {
			s.clock.pass(2 * time.Minute)
			s.tick()
		}, "a debian>local", "a local"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newOnceSite(t, "a")
			if _, err := s.once("ubuntu", Once{Then: "local", Within: time.Minute, OnTimeout: pxepilot.KeepOnTimeout}, "a"); err != nil {
				t.Fatal(err)
			}
			s.cutHalfway(func() { _, _ = s.once("debian", Once{Then: "local"}, "a") })
			s.root.fails = errors.New("not mounted")
			s.start()
			tt.meanwhile(s)
			s.root.fails = nil
			s.look()
			s.armed(tt.armed)
			s.clock.pass(5 * time.Hour)
			s.tick()
			s.boots(tt.boots)
			if told := strings.Join(s.journal.told(), "\n"); strings.Contains(told, "hand") {
				t.Error(told)
			}
		})
	}
}

// What others do before a change that failed half way is resolved is theirs.
func TestHandBeforeItIsResolved(t *testing.T) {
	for _, to := range []string{"", "debian"} {
		s := newOnceSite(t, "a")
		s.arm("a")
		s.root.lost = true
		s.failsHalfway(true)
		if err := s.done("a", 0); pxepilot.ErrorCode(err) != pxepilot.Internal {
			t.Error(err)
		}
		s.root.beforeStep, s.root.fails = nil, nil
		for path := range s.root.links {
			s.root.set(path, to)
		}
		s.look()
		s.armed("")
		s.lastTold("hand by hand: done, a ubuntu>" + cmp.Or(to, "none") + " -1 (which ends what was to boot once: nothing of it is switched back) !")
		s.tick()
		s.boots("a " + cmp.Or(to, "none"))
	}
}

// One host that cannot be switched keeps no other from it, nor does a journal that
// cannot be written where that is not required.
func TestOthersWithoutTheJournal(t *testing.T) {
	hosts := strings.Split("abcdefghijklmnop", "")
	s := newOnceSite(t, hosts...)
	s.options.Required = func() bool { return false }
	s.start()
	s.arm(hosts...)
	s.look()
	s.journal.beforeNext = func(int) error { return pxepilot.Errorf(pxepilot.Unavailable, "full") }
	bad := s.root.inv.ByName("a").MACs[0].String()
	s.root.refuse = func(step pxepilot.Step) error {
		if strings.Contains(step.Path, bad) {
			return errors.New("operation not permitted")
		}
		return nil
	}
	s.clock.pass(4 * time.Hour)
	for began := s.clock.now.Since; len(s.Armings().Hosts()) > 1; s.clock.pass(max(s.tick(), time.Second)) {
		if s.clock.now.Since-began > time.Minute {
			t.Fatal(s.Armings().Hosts())
		}
	}
	if left := s.Armings().Hosts(); !slices.Equal(left, []string{"a"}) {
		t.Error(left)
	}
}

// What was cut off is pushed once, however long the journal cannot tell of it.
func TestOnePushOfWhatWasCutOff(t *testing.T) {
	s := newOnceSite(t, "a")
	s.arm("a")
	s.cutHalfway(func() { _, _ = s.once("debian", Once{Then: "local"}, "a") })
	s.journal.beforeNext = func(int) error { return pxepilot.Errorf(pxepilot.Unavailable, "full") }
	s.start()
	s.look()
	after := s.switches.Load()
	for range 10 {
		s.look()
	}
	if n := s.switches.Load(); n != after {
		t.Errorf("%d more switches are to be pushed", n-after)
	}
}

// What ends an arming and moves no link has to be written down, for nothing else would
// tell after a restart.
func TestEndsWithoutALink(t *testing.T) {
	s := newOnceSite(t, "a", "b")
	s.options.Required = func() bool { return false }
	s.start()
	s.arm("a", "b")
	s.journal.beforeNext = func(int) error { return pxepilot.Errorf(pxepilot.Unavailable, "full") }
	_, err := s.once("ubuntu", Once{Permanent: true}, "a")
	refusedWith(t, err, pxepilot.Unavailable, "has to be written down: full")
	_, err = s.Disarm(t.Context(), named("b"), Actor{})
	refusedWith(t, err, pxepilot.Unavailable, "nothing was disarmed, for it cannot be written down: full")
	refusedWith(t, s.failed("a"), pxepilot.Unavailable, "cannot be written down: full; say it again")
	s.journal.beforeNext = nil
	s.armed("a ubuntu>local, b ubuntu>local")
	if err := s.failed("a"); err != nil {
		t.Error(err)
	}
}

// The call that installers made first goes on in a chain as done does.
func TestChainByDeployForOneself(t *testing.T) {
	s := newOnceSite(t, "a")
	s.root.rules = map[string]pxepilot.Rule{"debian": {Then: "ubuntu"}, "ubuntu": {Then: "local"}}
	s.must("debian", "a")
	c := Change{Want: pxepilot.Deploy, Configuration: "ubuntu", Hosts: named("a"), By: Actor{Name: "api"}, Speaker: func(context.Context) string { return "a" }}
	if _, err := s.Change(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.done("a", 0); err != nil {
			t.Error(err)
		}
	}
	s.boots("a ubuntu")
	s.lastTold("refused by host a: not done, a ubuntu>ubuntu (done, said again of the install before, or too early of this one)")
	_, err := s.Fail(t.Context(), Callback{Speaker: "a", Generation: 1}, "", "")
	refusedWith(t, err, pxepilot.Conflict, "the generation 1 of host \"a\" is over, and the current one is 2")
	s.clock.pass(2 * time.Minute)
	if err := s.done("a", 0); err != nil {
		t.Error(err)
	}
	s.boots("a local")
}

// A link of a chain that fails half way is gone on with, from where it was.
func TestHalfwayInAChain(t *testing.T) {
	for _, blind := range []bool{false, true} {
		s := newOnceSite(t, "a")
		s.root.rules = map[string]pxepilot.Rule{"debian": {Then: "ubuntu"}, "ubuntu": {Then: "local"}}
		s.must("debian", "a")
		s.root.lost = true
		s.failsHalfway(blind)
		if err := s.done("a", 0); !strings.Contains(err.Error(), "it is noted") {
			t.Error(err)
		}
		s.root.beforeStep, s.root.fails, s.root.plan = nil, nil, nil
		s.look()
		s.clock.pass(lastRetry)
		s.tick()
		s.boots("a ubuntu")
		s.armed("a ubuntu>local")
		if err := s.done("a", 1); err != nil {
			t.Error(err)
		}
	}
}

// Between the links of one loader and those of another there may be none, which is no
// hand.
func TestHalfwayToAnotherLoader(t *testing.T) {
	s := newOnceSite(t, "a")
	s.root.configurations["bios"], s.root.configurations["efi"] = map[string]string{"pxelinux": "x"}, map[string]string{"grub": "x"}
	s.root.view = nil
	refs := named("a")
	refs[0].Once = Once{Then: "efi"}
	if _, err := s.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "bios", Hosts: refs, DropUncovered: true}); err != nil {
		t.Fatal(err)
	}
	s.root.lost = true
	s.failsHalfway(false)
	if err := s.done("a", 0); !strings.Contains(err.Error(), "it is noted") {
		t.Error(err)
	}
	s.root.beforeStep, s.root.plan = nil, nil
	s.look()
	s.clock.pass(lastRetry)
	s.tick()
	s.boots("a efi partly")
}

// What the root resolves is pushed, also where the journal tells of nothing.
func TestPushOfWhatIsResolved(t *testing.T) {
	s := newOnceSite(t, "a")
	s.options.Required = func() bool { return false }
	s.start()
	s.must("ubuntu", "a")
	s.cutHalfway(func() { _, _ = s.deploy("debian", "a") })
	s.journal.beforeNext = func(int) error { return pxepilot.Errorf(pxepilot.Unavailable, "full") }
	s.start()
	s.look()
	s.root.stuck = true
	s.failsHalfway(true)
	if _, err := s.deploy("local", "a"); pxepilot.ErrorCode(err) != pxepilot.Internal {
		t.Error(err)
	}
	s.root.beforeStep, s.root.fails, s.root.view = nil, nil, nil
	before := s.switches.Load()
	s.look()
	if s.switches.Load() == before {
		t.Error("the root moved links, and nothing is to be pushed")
	}
}
